/** Maps, Sets, unions, patterns and the like. The test runs each as JavaScript and as a model, in f64, and compares. */

export const maps = (a: number, b: number) => {
  const table = new Map<string | number, number>([["x", a], ["y", b]]);
  table.set(1, a + b).set("1", a - b);
  table.set("x", 10);
  const had = table.delete("y");
  const again = table.delete("y");
  const keys: (string | number)[] = [];
  const values: number[] = [];
  for (const [key, value] of table) {
    keys.push(key);
    values.push(value);
  }
  let visited = 0;
  table.forEach((value, key, all) => {
    visited += value * all.size + (key === "x" ? 1 : 0);
  });
  const copy = new Map(table);
  copy.set("z", 3);
  const fromObject = new Map(Object.entries({ p: a, q: b }));
  const odd = new Map<unknown, number>([[NaN, 1], [-0, 2], [undefined, 3], [null, 4], [true, 5], ["true", 6]]);
  const size = table.size;
  table.clear();
  return [
    Number(had), Number(again), keys.length, ...values, visited, size, table.size, copy.size, copy.get("z") ?? -1, copy.get("none") ?? -1, Number(copy.has(1)), Number(copy.has("y")),
    ...fromObject.values(), [...fromObject.keys()].join("").length, Object.fromEntries(fromObject)["p"] ?? -1, odd.size, odd.get(NaN) ?? 0, odd.get(0) ?? 0, odd.get(undefined) ?? 0, odd.get(null) ?? 0, odd.get(true) ?? 0,
    copy instanceof Map ? 1 : 0, [...copy.entries()].length, Array.from(copy, ([, value]) => value).length, Object.keys(copy).length,
  ];
};

export const sets = (a: number) => {
  const seen = new Set<string>(["a", "b", "a"]);
  seen.add("c").add("b");
  const removed = seen.delete("a");
  let text = "";
  for (const item of seen) text += item;
  seen.forEach((item, key) => {
    text += item + key;
  });
  const [first, ...others] = seen;
  const unique = [...new Set([3, 1, 3, 2, 1])];
  return [seen.size, Number(removed), text.length, text.indexOf("cc"), first === "b" ? 1 : 0, others.length, ...unique, Number(seen.has("c")), Number(seen.has("a")), seen instanceof Set ? a : 0, new Set().size];
};

/** Branches and loops of run time change what a Map holds. */
export const mapsAtRunTime = (a: number, b: number) => {
  const state = new Map([["m", 0], ["v", 1]]);
  if (a > 0) state.set("m", b);
  else state.set("v", (state.get("v") ?? 0) + a);
  let turns = 0;
  while ((state.get("v") ?? 0) < 6 && turns < 9) {
    for (const key of state.keys()) state.set(key, (state.get(key) ?? 0) + Math.abs(b) + 0.5);
    turns++;
  }
  let other = new Map([["k", a]]);
  if (b > 1) other = new Map([["k", b]]);
  return [...state.values(), turns, state.size, other.get("k") ?? -1, other.size];
};

type Layer =
  | { readonly kind: "dense"; readonly w: number; readonly b: number }
  | { readonly kind: "scale"; readonly by: number }
  | { readonly kind: "relu" };

const apply = (layer: Layer, x: number): number => {
  switch (layer.kind) {
    case "dense": return layer.w * x + layer.b;
    case "scale": return layer.by * x;
    case "relu": return x > 0 ? x : 0;
  }
};

export const unions = (a: number, b: number) => {
  const layers: Layer[] = [{ kind: "dense", w: a, b }, { kind: "relu" }, { kind: "scale", by: 3 }];
  const dense = layers.find((layer) => layer.kind === "dense");
  return [layers.reduce((x, layer) => apply(layer, x), b), dense?.kind === "dense" ? dense.w : -1];
};

const Mode = { Train: 0, Test: 5, Both: 6 } as const;
const enumNames = { [Mode.Train]: "train", [Mode.Test]: "test", [Mode.Both]: "both" } as const;
const sizes = [1, 2, 3] as const;
const config = { layers: [{ size: 4 }, { size: 8 }], name: "net" } as const;

export const constants = (a: number) =>
  [Mode.Both, enumNames[Mode.Both].length, ...sizes.map((size) => size * a), config.layers[1].size, ...config.layers.map(({ size }) => size), config.name.length];

interface Options {
  readonly rate?: number | null;
  readonly inner?: { readonly depth?: number; readonly list?: readonly number[] } | undefined;
}

const readOptions = ({ rate = 0.5, inner: { depth = 2, list: [first = 7, second = 8] = [] } = {} }: Options = {}) => [rate ?? -1, depth, first, second];

export const nullishFields = (a: number) => {
  const options: Options[] = [{}, { rate: a }, { rate: null, inner: {} }, { inner: { depth: 9, list: [1] } }, { inner: { list: [1, a] } }];
  return [...options.flatMap(readOptions), ...readOptions(), ...options.map(({ inner }) => inner?.list?.[0] ?? inner?.depth ?? -2)];
};

export const assignedPatterns = (a: number, b: number) => {
  let x = 0;
  let y = 0;
  let rest: Record<string, number> = {};
  let tail: number[] = [];
  const target = { z: 0, list: [0, 0] };
  ({ x, ...rest } = { x: a, p: b, q: 3 });
  const rests = Object.keys(rest).length + (rest["p"] ?? 0);
  ({ y = 4, ...rest } = { u: 1 } as { y?: number; u: number });
  [target.z, ...tail] = [b, 1, 2];
  ({ a: target.list[1], b: [, x = 5] } = { a, b: [1] as [number, number?] });
  [x, y] = [y, x];
  return [x, y, rests, rest["u"] ?? -1, target.z, ...tail, ...target.list];
};

export const spreads = (a: number, b: number) => {
  const sum = (...xs: number[]) => xs.reduce((total, x) => total + x, 0);
  const base = { p: a, q: [b] };
  const copy = { ...base, q: [...base.q, 1], ...(undefined as { r?: number } | undefined) };
  base.q[0] = 9;
  return [sum(...[a, b], ...new Set([1, 2])), copy.q[0]!, copy.q.length, sum(..."12".split("").map(Number)), base.q[0]];
};

/** An array that grows while a loop goes over it. */
export const growing = (a: number) => {
  const list = [a];
  for (const x of list) if (list.length < 4) list.push(x * 2);
  return list;
};

/** Names with dots are one step of a path. */
export const dottedNames = (a: number, b: number) => {
  let state: Record<string, number> = { "layer.0": a, "layer.1": b };
  for (let i = 0; (state["layer.0"] ?? 0) < 4 && i < 10; i++) state = { "layer.0": (state["layer.0"] ?? 0) + 1, "layer.1": (state["layer.1"] ?? 0) * 2 };
  return [state["layer.0"] ?? -1, state["layer.1"] ?? -1];
};
