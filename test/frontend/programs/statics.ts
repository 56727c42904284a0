/**
 * Functions without parameters, of the whole part of the language that runs while a model is built. The test runs
 * each as JavaScript and as a model, and compares: JavaScript is the expected value.
 */

export const arithmetic = () => [7 + 3, 7 - 3, 7 * 3, 7 / 2, 7 % 3, -7 % 3, 2 ** 10, 5 & 3, 5 | 3, 5 ^ 3, 1 << 4, -8 >> 1, 8 >>> 1, ~5, -(3 - 1), +"4"];

export const mathematics = () => [
  Math.sqrt(2), Math.PI, Math.max(1, 5, 3), Math.min(), Math.floor(-1.5), Math.ceil(1.2), Math.round(2.5), Math.round(-2.5), Math.trunc(-1.7),
  Math.exp(1), Math.log(10), Math.log2(8), Math.log10(1000), Math.sin(1), Math.cos(1), Math.tan(1), Math.tanh(0.5), Math.atan2(1, 2), Math.hypot(3, 4),
  Math.abs(-3), Math.sign(-2), Math.pow(2, 0.5), Math.cbrt(27), Math.fround(0.1), Math.imul(3, 4), Math.log1p(0.5), Math.expm1(0.5), Math.E,
];

export const comparisons = () => [1 < 2, 2 <= 1, "a" < "b", 1 === 1, "a" !== "a", !0, nothing(null) ?? 4, nothing(undefined) ?? 5, nothing(0) || 6, nothing(1) && 7, nothing(null) == undefined].map(Number);

function nothing(x: number | null | undefined): number | null | undefined {
  return x;
}

export const variables = () => {
  let total = 0;
  const start = 10;
  total += start;
  total -= 3;
  total *= 2;
  total /= 7;
  total **= 3;
  total %= 5;
  let bits = 6;
  bits &= 3;
  bits |= 8;
  bits ^= 1;
  bits <<= 2;
  bits >>= 1;
  bits >>>= 1;
  let missing: number | undefined;
  missing ??= 4;
  let zero = 0;
  zero ||= 9;
  let one = 1;
  one &&= 2;
  const before = total++;
  const after = ++total;
  return [total, bits, missing, zero, one, before, after, total--, --total];
};

export const shadowing = () => {
  const x = 1;
  const seen = [x];
  {
    const x = 2;
    seen.push(x);
    for (let x = 3; x < 5; x++) seen.push(x);
  }
  seen.push(x);
  return seen;
};

export const loops = () => {
  const seen: number[] = [];
  for (let i = 0; i < 5; i++) {
    if (i === 1) continue;
    if (i === 4) break;
    seen.push(i);
  }
  let n = 3;
  while (n > 0) seen.push(n--);
  do seen.push(100 + n); while (++n < 2);
  for (const item of [10, 20]) seen.push(item);
  for (const key in { a: 1, b: 2 }) seen.push(key.length);
  for (let i = 0, j = 10; i < j; i += 3, j--) seen.push(i * j);
  return seen;
};

export const labels = () => {
  const seen: number[] = [];
  outer: for (let i = 0; i < 4; i++) {
    for (let j = 0; j < 4; j++) {
      if (j === 2) continue outer;
      if (i === 2) break outer;
      seen.push(i * 10 + j);
    }
  }
  block: {
    if (seen.length > 0) break block;
    seen.push(-1);
  }
  return seen;
};

export const closuresInLoops = () => {
  const readers: (() => number)[] = [];
  for (let i = 0; i < 3; i++) readers.push(() => i * i);
  return readers.map((read) => read());
};

export const switches = () => {
  const classify = (x: number | string): number => {
    switch (x) {
      case 1: return 10;
      case 2:
      case 3: {
        const y = 5;
        return y;
      }
      case "text": break;
      default: return -1;
    }
    return 99;
  };
  const fallThrough: number[] = [];
  switch (2 as number) {
    case 1:
    default: fallThrough.push(1); break;
    case 2:
    case 3: fallThrough.push(3);
  }
  return [classify(1), classify(2), classify(3), classify("text"), classify(7), ...fallThrough];
};

export const functions = () => {
  function hoisted(a: number, b = a * 2, ...rest: readonly number[]): number {
    return a + b + rest.length;
  }
  const arrow = (a: number): number => a + 1;
  const expression = function named(n: number): number {
    return n <= 1 ? 1 : n * factorial(n - 1);
  };
  const curried = (a: number) => (b: number) => a * 10 + b;
  return [early(1), early(-1), hoisted(1), hoisted(1, 1), hoisted(1, 1, 1, 1), arrow(1), expression(5), curried(1)(2), identity<number>(3), [1, 2].map(arrow).length];
  function early(x: number): number {
    if (x > 0) return 1;
    return 0;
  }
};

function factorial(n: number): number {
  return n <= 1 ? 1 : n * factorial(n - 1);
}

function identity<T>(x: T): T {
  return x;
}

export const mutualRecursion = () => {
  const isEven = (n: number): boolean => (n === 0 ? true : isOdd(n - 1));
  const isOdd = (n: number): boolean => (n === 0 ? false : isEven(n - 1));
  return [isEven(10), isOdd(7), isEven(3)].map(Number);
};

export const destructuring = () => {
  const [a, , b = 5, ...rest] = [1, 2, undefined, 4, 5];
  const { x, y: { z: [first], w = 7 }, ["dynamic"]: computed, ...others } = { x: 1, y: { z: [2, 3] } as { z: number[]; w?: number }, dynamic: 8, p: 9, q: 10 };
  let left = 1;
  let right = 2;
  [left, right] = [right, left];
  const target = { a: 0, b: 0 };
  ({ a: target.a, b: target.b } = { a: 3, b: 4 });
  const sum = ({ m, n = 2 }: { m: number; n?: number }, [k]: number[]) => m + n + (k ?? 0);
  return [a, b, ...rest, x, first ?? -1, w, computed, others.p, others.q, left, right, target.a, target.b, sum({ m: 1 }, [10])];
};

export const objects = () => {
  const key = "b";
  const base = { a: 1, [key]: 2, 3: 30 };
  const extended = { ...base, a: 5, c: 6, double(n: number) { return n * 2; } };
  extended.c += 1;
  extended["c"]++;
  const a = 1;
  const shorthand = { a };
  const deep = { list: [{ value: 1 }] };
  deep.list[0]!.value = 42;
  const assigned = Object.assign({ p: 1 }, { q: 2 });
  const entries = Object.entries(base).map(([k, v]) => k.length * v);
  const rebuilt = Object.fromEntries([["u", 1], ["v", 2]]);
  return [
    extended.a, extended.b, extended.c, extended[3], extended.double(4), shorthand.a, deep.list[0]!.value, assigned.q, ...entries, rebuilt["v"] ?? 0,
    Object.keys(base).length, ...Object.values(shorthand), Number("a" in base), Number(Object.hasOwn(base, "zz")),
  ];
};

export const optionalChains = () => {
  const some: { a?: { b: number; f(): number } } = { a: { b: 1, f: () => 3 } };
  const none: { a?: { b: number; f(): number } } = {};
  const list: number[] | undefined = undefined as number[] | undefined;
  const call: (() => number) | undefined = undefined as (() => number) | undefined;
  return [some.a?.b ?? -1, none.a?.b ?? -1, some.a?.f() ?? -1, none.a?.f().toFixed(0).length ?? -1, list?.[0] ?? -2, call?.() ?? -3];
};

export const arrays = () => {
  const list = [3, 1, 2];
  const filled = new Array<number>(3).fill(7);
  const made = Array.from({ length: 4 }, (_, i) => i * i);
  const copy = [...list];
  copy.sort((p, q) => p - q);
  const changed = [1, 2, 3, 4, 5];
  const popped = changed.pop();
  const shifted = changed.shift();
  changed.unshift(9);
  const removed = changed.splice(1, 2, 50, 60, 70);
  return [
    ...filled, ...made, ...copy, ...list.toReversed(), ...list.toSorted(), ...list.with(1, 8), popped, shifted, ...changed, ...removed,
    ...list.map((x, i, all) => x * i + all.length), ...list.filter((x) => x > 1), list.reduce((s, x) => s + x), list.reduce((s, x) => s + x, 100),
    list.reduceRight((s, x) => s * 10 + x, 0), list.indexOf(2), list.indexOf(9), list.lastIndexOf(3), ...[list.includes(1), list.some((x) => x > 2), list.every((x) => x > 2)].map(Number),
    list.find((x) => x < 3), list.findIndex((x) => x < 3), list.at(-1), list.slice(1).length, ...list.slice(-2, -1), ...list.concat([4], 5),
    ...[[1, [2]], [3]].flat(2), ...[1, 2].flatMap((x) => [x, x]), ...[...list.keys()], ...[...list.entries()].map(([i, x]) => i + x), list.length, [, 1].length,
    Number(Array.isArray(list)), Number(Array.isArray("no")), ...Array.of(1, 2), ...[3, 2, 10].sort(), [..."abc"].length,
  ].map((x) => x ?? -1);
};

export const strings = () => {
  const name = "layer";
  const text = `${name}-${1 + 1}${true}`;
  return [
    text.length, text.indexOf("2"), "a,b,c".split(",").length, "x".repeat(3).length, Number("12" + 3), Number(text.startsWith("layer") && text.endsWith("true")),
    name.toUpperCase() === "LAYER" ? 1 : 0, ["a", "b"].join("+").length, `${[1, 2]}`.length, String(12).length, "abc".slice(1, 2) === "b" ? 1 : 0, "abc".at(-1) === "c" ? 1 : 0,
    " x ".trim().length, "aXbX".replaceAll("X", "--").length, "5".padStart(3, "0") === "005" ? 1 : 0, (1.5).toFixed(2).length, Number("b" > "a"), "abc"[1] === "b" ? 1 : 0,
  ];
};

export const kinds = () =>
  [typeof 1, typeof "a", typeof undefined, typeof null, typeof {}, typeof [], typeof (() => 1), typeof true].map((kind) => kind.length)
    .concat([Number.isInteger(2), Number.isInteger(2.5), Number.isNaN(NaN), Number.isFinite(Infinity), Boolean(""), Boolean("a")].map(Number), [Number.parseInt("12px", 10), Number.parseFloat("1.5"), void 0 === undefined ? 1 : 0]);

export const comma = () => {
  let a = 0;
  const b = (a++, a++, a);
  return [a, b];
};

export const assertions = () => {
  const loose = { a: 1, b: [1, 2] } as const satisfies { a: number; b: readonly number[] };
  return [loose.a as number, loose.b[0]!, (loose.b as readonly number[])[1]!];
};
