import { grad, jvp, model, valueAndGrad, type Tensor } from "tsdlc";

type Vector = Tensor<[3]>;

export const second = model((x: Tensor<[]>) => grad(grad((y: Tensor<[]>) => y.mul(y).mul(y)))(x));

/** What a differentiated function takes from outside becomes a parameter of it. */
export const captured = model((w: Vector, x: Vector, rate: number) => grad((v: Vector) => v.mul(x).mul(rate).sum())(w));

export const nestedCapture = model((w: Vector, x: Vector) =>
  grad((v: Vector) => v.mul(grad((u: Vector) => u.mul(x).mul(v).sum())(w)).sum())(w));

export const several = model((a: Vector, b: Tensor<[3], "i32">, c: { inner: [Vector] }) => {
  const f = (p: Vector, q: Tensor<[3], "i32">, r: { inner: [Vector] }) => p.mul(r.inner[0]).mul(q.to("f32")).sum();
  const [value, [da, dc]] = valueAndGrad(f, { wrt: [0, 2] })(a, b, c);
  return { value, da, dc };
});

export const auxiliary = model((a: Vector) => {
  const [[loss, extra], g] = valueAndGrad((v: Vector) => [v.sum(), { doubled: v.mul(2), label: "kept", list: [1, 2] }] as const, { aux: true })(a);
  return { loss, doubled: extra.doubled, g, size: extra.label.length + extra.list.length };
});

export const auxiliaryOfGrad = model((a: Vector) => grad((v: Vector) => [v.sum(), v.exp()] as const, { aux: true })(a));

export const forwardMode = model((x: Vector, dx: Vector, scale: Vector) => {
  const [value, tangent] = jvp((v: Vector) => ({ y: v.mul(scale).sin() }), [x], [dx]);
  return { value, tangent };
});

export const inLoop = model((w: Vector, x: Vector) => {
  let at = w;
  for (let i = 0; i < 2; i++) at = at.sub(grad(loss)(at, x, { weight: 0.5 * i }));
  return at;
});
function loss(w: Vector, x: Vector, options: { weight: number }): Tensor<[]> {
  return w.sub(x).square().sum().mul(options.weight);
}
