import { model, type Tensor } from "tsdlc";

type Vector = Tensor<[3]>;
interface Dense { readonly kind: "dense"; readonly units: number; readonly bias?: boolean }
interface Act { readonly kind: "activation"; readonly of: "relu" | "tanh" | null }
enum Order { First, Second }

const layers: readonly (Dense | Act)[] = [{ kind: "dense", units: 2 }, { kind: "activation", of: "tanh" }, { kind: "activation", of: null }, { kind: "dense", units: 3, bias: true }];
const units = new Map(layers.flatMap((layer) => (layer.kind === "dense" ? [[`layer.${layer.units}`, layer.units] as const] : [])));

/** Unions are told apart by static tags. */
export const tagged = model((x: Vector) => layers.reduce<Tensor>((y, layer) => {
  switch (layer.kind) {
    case "dense": return layer.bias ?? false ? y.mul(layer.units).add(1) : y.mul(layer.units);
    case "activation": return layer.of === "tanh" ? y.tanh() : layer.of?.length === 4 ? y.relu() : y;
  }
}, x));

/** A Map of tensors, in a branch of run time. */
export const collected = model((x: Vector, y: Vector) => {
  const values = new Map<string | Order, Vector>([["x", x]]);
  values.set(Order.Second, y);
  if (x.sum().item() > 0) values.set("x", y.neg());
  else values.set(Order.Second, x);
  const seen = new Set([...values.keys()].map(String));
  let total = x.mul(seen.size).mul(units.get("layer.3") ?? 1);
  for (const [key, value] of values) total = key === "x" ? total.add(value) : total.sub(value);
  return Object.fromEntries([...values].map(([key, value]) => [`value${key}`, value.add(total)]));
});

/** Rests, defaults and accessors. */
export const patterns = model((p: { a: Vector; b: Vector; c: Vector }) => {
  let [first, second]: Vector[] = [p.a, p.b];
  let others: Record<string, Vector> = {};
  ({ a: first, ...others } = { ...p, b: p.c });
  const view = { get sum() { return p.a.add(p.b); }, scale: 2 };
  return { first, second, ...others, sum: view.sum.mul(view.scale) };
});

/** The rows of a tensor whose first axis is a number. */
export const rows = model((x: Tensor<[2, 3]>) => {
  const [first] = x;
  let total = x.sum(0).neg();
  for (const row of x) total = total.add(row);
  return { total, first: first ?? total, sums: [...x].map((row) => row.sum()) };
});
