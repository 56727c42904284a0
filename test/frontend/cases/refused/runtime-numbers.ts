import { model, type Tensor } from "tsdlc";

export const axis = model((x: Tensor<[3, 4]>, n: number) => (x as Tensor<readonly number[]>).sum(n));
export const size = model((x: Tensor<[4]>, n: number) => x.reshape([n, 2]));
export const index = model((x: Tensor<[3]>, n: number) => [x, x.neg()][n]);
export const length = model((x: Tensor<[3]>, n: number) => Array.from({ length: n }, () => x));
export const text = model((x: Tensor<[3]>, n: number) => x.mul(`${n}`.length));
export const arcus = model((x: Tensor<[3]>, n: number) => x.mul(Math.atan(n)));
export const integer = model((y: Tensor<[3], "i32">, n: number) => y.mul(n));
export const tensorCondition = model((x: Tensor<[3]>) => {
  if (x.sum().gt(0)) return x;
  return x.neg();
});
export const tensorLoop = model((x: Tensor<[]>) => {
  let y = x;
  while (y.lt(100)) y = y.mul(2);
  return y;
});
export const and = model((x: Tensor<[], "bool">, y: Tensor<[], "bool">) => x && y);
