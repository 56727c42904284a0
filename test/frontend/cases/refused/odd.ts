import { concat, grad, mapTree, model, random, type Tensor } from "tsdlc";

type Vector = Tensor<[3]>;
const circular: number = circularly();
function circularly(): number {
  return circular + 1;
}

export const noFunction = model(5 as never);
export const untyped = model((x) => x);
export const needsItself = model((x: Vector) => x.mul(circular));
export const methodItself = model((x: Vector) => x.matmul as never);
export const emptyList = model((x: Vector) => concat([]));
export const textTree = model((x: Vector) => mapTree((w) => w, "text" as never));
export const otherTrees = model((x: Vector) => mapTree((w, v) => w.add(v), { a: x, b: [x] }, { a: x, b: [x, x] } as never));
export const noLoss = model((x: Vector) => (grad as never as (f: unknown) => (x: Vector) => Vector)(undefined)(x));
export const spread = model((x: Vector) => ({ ...x }) as never);
export const taken = model((x: Vector) => {
  const [first] = { x } as never as Vector[];
  return first;
});
export const cyclic = model((x: Vector) => {
  const object: Record<string, unknown> = {};
  object["self"] = object;
  return object as never;
});
export const seed = model((x: Vector) => random.uniform(random.key(1.5), [3]));
export const callback = model((x: Vector) => [1, 2, 3].map(x as never));
export const inherited = model((x: Vector) => x.constructor as never);
export const negative = model((x: Vector) => "x".repeat(-1).length);
export const tooLong = model((x: Vector) => new Array(2 ** 30).length);
