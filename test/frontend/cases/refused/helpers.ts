import { model, type Tensor } from "tsdlc";

// The fault is in a helper; the frame shows the helper's own line, once for both models.
function scale(x: Tensor<readonly number[]>, y: Tensor<readonly number[]>) {
  return x.mul(y);
}
export const first = model((x: Tensor<[3]>, y: Tensor<[4]>) => scale(x, y));
export const second = model((x: Tensor<[3]>, y: Tensor<[4]>) => scale(x, y).neg());

function checked(n: number): number {
  if (n > 2) throw new Error(`depth must be at most 2; it is ${n}`);
  return n;
}
export const thrown = model((x: Tensor<[3]>) => x.mul(checked(5)));
