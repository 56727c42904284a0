import { mapTree, model, type Tensor } from "tsdlc";

interface Layer<In extends number, Out extends number> {
  /** The matrix. */
  w: Tensor<[In, Out]>;
  b: Tensor<[Out]>;
}
type Pair = readonly [Layer<4, 8>, Layer<8, 2>];
class Settings {
  scale!: Tensor<[]>;
  rate!: number;
  describe(): string { return "settings"; }
}

/** Tuples, generic interfaces, classes with fields and numbers; every leaf becomes a parameter. */
export const forward = model((layers: Pair, settings: Settings, x: Tensor<["N", 4]>, mask: Tensor<["N"], "bool">, half: Tensor<[2], "f16">) => {
  const [first, { w, b }] = layers;
  const hidden = x.matmul(first.w).add(first.b).tanh();
  const y = hidden.matmul(w).add(b).mul(settings.scale).mul(settings.rate);
  return { y, also: [half, mask, settings.rate * 2, 7] };
});

export const scaled = model(({ w, b }: Layer<4, 8>, [factor]: [number]) => mapTree((leaf) => leaf.mul(factor), { inner: [w, b], last: w }));

/** Generics are filled in where model is called. */
function makeModel<S extends number>(size: S) {
  return (x: Tensor<["N", S]>) => x.add(size);
}
export const made = model(makeModel(3));

function declared(x: Tensor<["N", 2]>): Tensor<["N", 2]> {
  return x.neg();
}
export const named = model(declared);
