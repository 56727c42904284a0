import { grad, model, random, stack, type Tensor, valueAndGrad, vmap } from "tsdlc";

interface Params {
  w: Tensor<[3, 2]>;
  b: Tensor<[2]>;
}

const loss = (p: Params, x: Tensor<[3]>, label: Tensor<[], "i32">) => x.matmul(p.w).add(p.b).logSoftmax().neg().indexSelect(0, label.unsqueeze(0)).sum();

export const perExample = model((p: Params, x: Tensor<["N", 3]>, labels: Tensor<["N"], "i32">) => vmap(grad(loss), [null, 0, 0])(p, x, labels));

// A gradient around it, and named dims that turn out to be one.
export const around = model((p: Params, x: Tensor<["N", 3]>, labels: Tensor<["M"], "i32">) =>
  valueAndGrad((q: Params) => vmap(loss, [null, 0, 0])(q, x, labels).mean())(p));

// Nested, with axes that are not the first, of arguments and results; what is captured is the same for all.
export const pairs = model((x: Tensor<["N", 3]>, y: Tensor<[3, "M"]>, scale: Tensor<[]>) => {
  const distance = (a: Tensor<[3]>, b: Tensor<[3]>) => a.sub(b).mul(scale).square().sum();
  return vmap(vmap(distance, [null, -1]), [0, null], 1)(x, y);
});

// Trees of axes, and a result that is there once.
export const trees = model((x: { left: Tensor<[3, "N"]>; right: readonly [Tensor<["N"]>, Tensor<[]>] }, gain: number) => {
  const parts = (t: { left: Tensor<[3]>; right: readonly [Tensor<[]>, Tensor<[]>] }, k: number) => ({
    sum: t.left.sum().mul(t.right[0]).mul(k), shared: t.right[1].mul(k), all: t.left,
  });
  return vmap(parts, [{ left: 1, right: [0, null] }, null], { sum: 0, shared: null, all: -1 })(x, gain);
});

// Each key draws what it would draw alone.
export const noise = model((key: Tensor<[2], "u32">) => vmap((k: Tensor<[2], "u32">) => random.uniform(k, [3]))(stack(random.split(key, 4))));
