import { model, type Tensor } from "tsdlc";

export const text = model((x: Tensor<[2]>) => "done");
export const field = model((x: Tensor<[2]>) => ({ x, name: "result" }));
export const nothing = model((x: Tensor<[2]>) => {
  x.exp();
});
export const closure = model((x: Tensor<[2]>) => () => x);
export const restructured = model((p: { w: Tensor<[2]> | undefined extends never ? never : Tensor<[2]>; list: [number, number] }) => {
  (p as { w: unknown }).w = 3;
  return p.list[0];
});
