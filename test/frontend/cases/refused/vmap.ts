import { model, type Tensor, vmap } from "tsdlc";

type Row = Tensor<[3]>;
const dot = (x: Row, y: Row) => x.mul(y).sum();

export const sizes = model((x: Tensor<[5, 3]>, y: Tensor<[4, 3]>) => vmap(dot)(x, y));

export const literal = model((x: Tensor<["N", 3]>, y: Tensor<[4, 3]>) => vmap(dot)(x, y));

export const axis = model((x: Tensor<["N", 3]>, y: Row) => vmap(dot, [2 as number, null])(x, y));

export const scalar = model((x: Tensor<["N", 3]>, y: Tensor<[]>) => vmap((a: Row, b: Tensor<[]>) => a.mul(b), [0, 0])(x, y as never));

export const nothing = model((x: Row, y: Row) => vmap(dot, [null, null])(x, y));

export const entries = model((x: Tensor<["N", 3]>, y: Row) => vmap(dot, [0] as unknown as [0, null])(x, y));

export const number = model((x: Tensor<["N", 3]>, k: number) => vmap((a: Row, b: number) => a.mul(b), [0, 0])(x, k));

export const once = model((x: Tensor<["N", 3]>, y: Row) => vmap((a: Row, b: Row) => ({ own: a.mul(2), shared: b.mul(a) }), [0, null], { own: 0, shared: null })(x, y));

export const place = model((x: Tensor<["N", 3]>) => vmap((a: Row) => a.mul(2), 0, 2)(x));

export const structure = model((x: { a: Tensor<["N", 3]>; b: Row }) => vmap((p: { a: Row; b: Row }) => dot(p.a, p.b), [{ a: 0 } as { a: 0; b: null }])(x));

export const assigned = model((x: { a: Tensor<["N", 3]> }) => vmap((p: { a: Row }) => { p.a = p.a.mul(2); return p.a; })(x));

export const kept = model((x: Tensor<["N", 3]>) => {
  let inside: Row = x.select(0, 0);
  vmap((a: Row) => { inside = a.mul(2); return a; })(x);
  return inside;
});

export const inner = model((x: Tensor<["N", 3]>, w: Tensor<[4, 2]>) => vmap((a: Row) => a.matmul(w as never))(x));

export const traced = model((x: Tensor<["N", 3]>, k: number) => vmap((a: Row) => a.mul(2), k as 0)(x));
