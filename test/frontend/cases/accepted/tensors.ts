import { arange, concat, constant, einsum, full, model, ones, random, stack, Tensor, where, zeros, zerosLike } from "tsdlc";

const table = [[1, 2], [3, 4]];
const eye = constant(table);
const sizes = { hidden: 3, scale: 0.5 } as const;

/** Constants of the module, made where they are used, in each function that uses them. */
export const constants = model((x: Tensor<["N", 2]>) => x.matmul(eye).mul(sizes.scale).add(zeros([2])).add(ones([1, 2])));

export const stacked = model((x: Tensor<["N", 4]>) => {
  const pieces = x.split(1, 1).map((piece, i) => piece.mul(i));
  const total = pieces.reduce((sum, piece) => sum.add(piece));
  return [concat([...pieces, total], 1), stack([x, x.neg()]), where(x.gt(0), x, 0.1), zerosLike(x), einsum("ij,kj->ik", x, full([sizes.hidden, 4], 2))];
});

export const drawn = model((key: Tensor<[2], "u32">) => {
  const [first, second] = random.split(key);
  return random.uniform(first, [4]).add(random.normal(second, [4]));
});

/** Branches on what is static about a tensor. */
function describe(x: Tensor<readonly number[]> | number): number {
  if (typeof x === "number") return 1;
  if (x instanceof Tensor && x.dtype === "f32" && x.shape.length === 1) return 2;
  return 3;
}
export const inspected = model((x: Tensor<["N"]>, rate: number) => [describe(x), describe(rate), describe(arange(3).to("f32"))]);

/** The same tensor twice, and a parameter as it came. */
export const shared = model((x: Tensor<["N"]>) => {
  const y = x.exp();
  return { y, again: y, x };
});
