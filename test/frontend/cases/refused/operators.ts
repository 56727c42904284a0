import { model, type Tensor } from "tsdlc";

export const plus = model((x: Tensor<[3]>, y: Tensor<[3]>) => (x as never as number) + (y as never as number));
export const minus = model((x: Tensor<[3]>) => -x);
export const compared = model((x: Tensor<[3]>) => (x as never as number) > 0);
export const math = model((x: Tensor<[3]>) => Math.exp(x as never));
export const element = model((x: Tensor<[3]>) => (x as never as Tensor<[]>[])[0]);
export const elementAssigned = model((x: Tensor<[3]>) => {
  (x as never as number[])[0] = 1;
  return x;
});
export const iterated = model((x: Tensor<["N", 3]>) => {
  const rows: unknown[] = [];
  for (const row of x) rows.push(row);
  return rows[0];
});
export const bits = model((x: Tensor<[3]>, n: number) => x.mul(n << 1));
export const untyped = model((x: Tensor<[3]>) => x.mul(("a" as never as number) * 2));
export const missing = model((x: Tensor<[3]>) => {
  const list: number[] = [1, 2];
  return x.mul(list[5]!);
});
export const nothing = model((x: Tensor<[3]>) => {
  const options = undefined as unknown as { rate: number };
  return x.mul(options.rate);
});
export const early = model((x: Tensor<[3]>) => {
  const read = () => later;
  const y = x.mul(read());
  const later = 2;
  return y;
});
