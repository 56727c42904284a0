import { grad, model, type Tensor, valueAndGrad } from "tsdlc";

type Vector = Tensor<[3]>;

export const vector = model((x: Vector) => grad((v: Vector) => v.mul(2) as never as Tensor<[]>)(x));
export const integers = model((x: Tensor<[3], "i32">) => grad((v: Tensor<[3], "i32">) => v.to("f32").sum())(x));
export const position = model((x: Vector) => grad((v: Vector) => v.sum(), { wrt: 1 as 0 })(x));
export const undeclaredAux = model((x: Vector) => valueAndGrad((v: Vector) => [v.sum(), v] as never as Tensor<[]>)(x));
export const leaked = model((x: Vector) => {
  let kept = x;
  const g = grad((v: Vector) => {
    kept = v.mul(2);
    return kept.sum();
  })(x);
  return g.add(kept);
});
export const staticArgument = model((x: Vector) => grad((p: { w: Vector; size: number }) => p.w.mul(p.size).sum())({ w: x, size: 3 }));
