/**
 * Branches and loops on numbers that are known only at run time. The test runs each as JavaScript and as a model, in f64, and
 * compares.
 */

export const branches = (a: number, b: number) => {
  let sign;
  if (a > 0) sign = 1;
  else if (a < -1) sign = -2;
  else sign = -1;
  const larger = a > b ? a : b;
  const both = a > 0 && b > 1;
  const either = a > 0 || b > 1;
  return { sign, larger, both: both ? 1 : 0, either: either ? 1 : 0, not: !both ? 1 : 0, equal: a === 0.75 ? 1 : 0, other: a !== 0.75 ? 1 : 0 };
};

export const truth = (a: number, b: number) => {
  const zero = a - a;
  const lost = zero / zero;
  return [zero ? 1 : 2, lost ? 1 : 2, a ? 1 : 2, a && b, zero && b, zero || b, a || b, !lost ? 1 : 0];
};

export const logicalAssignment = (a: number, b: number) => {
  let x = a - a;
  x ||= b;
  let y = a;
  y &&= b * 2;
  let calls = 0;
  const next = () => {
    calls++;
    return 5;
  };
  let z = a - 0.75;
  z ||= next();
  return [x, y, z, calls];
};

/** Only the side that is taken runs. */
export const effectsOfConditions = (a: number, b: number) => {
  const seen: number[] = [0, 0];
  const note = (at: number, value: boolean) => {
    seen[at] = (seen[at] ?? 0) + 1;
    return value;
  };
  const first = a > 0 && note(0, b > 1);
  const second = a > 0 || note(1, b > 1);
  return [first ? 1 : 0, second ? 1 : 0, ...seen];
};

const sign = (x: number): number => {
  if (x > 0) return 1;
  if (x < 0) {
    const y = -x;
    if (y > 1) return -y;
    return -1;
  }
  return 0;
};

export const earlyReturns = (a: number, b: number) => [sign(a), sign(b), sign(a - a), sign(a * b)];

export const nestedReturns = (a: number, b: number) => {
  const find = (): number => {
    for (let i = 0; i < 20; i++) {
      for (let j = 0; j <= i; j++) {
        if (i * a + j * b > 7) return i * 100 + j;
      }
    }
    return -1;
  };
  return [find()];
};

export const whiles = (a: number, b: number) => {
  let x = a;
  let steps = 0;
  while (Math.abs(x) > 0.1) {
    x /= 2;
    steps++;
  }
  let y = b;
  do y *= 3; while (y < 10);
  let z = 1;
  for (;;) {
    z *= 1.5;
    if (z > b) break;
  }
  while (true) {
    z -= 0.25;
    if (z < a) break;
    if (z < 0) break;
  }
  return [x, steps, y, z];
};

export const forLoops = (a: number, b: number) => {
  const n = Math.min(Math.ceil(Math.abs(a) + b), 9);
  let sum = 0;
  for (let i = 0; i < n; i++) sum += i * i;
  let skipped = 0;
  for (let i = 0; i < n; i++) {
    if (i % 2 === 1) continue;
    if (i > 6) break;
    skipped += i;
  }
  let down = 0;
  for (let i = n, j = 0; i > j; i -= 2, j++) down += i * 10 + j;
  return [n, sum, skipped, down];
};

export const fibonacci = (a: number, b: number) => {
  const n = Math.floor(Math.abs(a) + b);
  let [x, y] = [0, 1];
  for (let i = 0; i < n && i < 12; i++) [x, y] = [y, x + y];
  return [x, y];
};

export const labels = (a: number, b: number) => {
  const n = Math.min(Math.ceil(Math.abs(a) + b) + 2, 8);
  let seen = 0;
  outer: for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      if (j * b > 5) continue outer;
      if (i * Math.abs(a) > 6) break outer;
      seen += i * 10 + j;
    }
    seen += 1000;
  }
  block: {
    if (a > 0) break block;
    seen += 0.5;
  }
  return [seen];
};

export const switches = (a: number, b: number) => {
  const pick = (n: number): number => {
    switch (n) {
      case 0: return 10;
      case 1:
      case 2: return 20;
      default: return 30;
    }
  };
  let total = 0;
  switch (Math.floor(a)) {
    case 0:
    case 250:
      total += 2;
      break;
    case -2:
      total += 4;
      if (b < 1) break;
      total += 8;
      break;
    default:
      total += 16;
  }
  return [total, pick(Math.floor(b)), pick(Math.floor(b) - 1), pick(Math.abs(Math.floor(a)))];
};

export const objects = (a: number, b: number) => {
  const state = { x: a, inner: { y: b, list: [1, 2, 3] } };
  if (a > 0) {
    state.x = b;
    state.inner.list[1] = a;
  } else state.inner = { y: a, list: [b, b, b] };
  while (state.inner.y < 20 && state.x < 100) {
    state.inner.y += Math.abs(state.x) + 1;
    state.inner.list[0] = state.inner.y;
    state.x += 1;
  }
  return state;
};

export const newObjects = (a: number, b: number) => {
  let point = { x: a, y: b };
  for (let i = 0; i < 6; i++) {
    if (point.x * point.y > 50) break;
    point = { x: point.x + point.y, y: point.y * 1.5 };
  }
  const chosen = a > 0 ? { x: 1, y: a } : point;
  return { point, chosen };
};

export const arrays = (a: number, b: number) => {
  const list = [a, b, a + b];
  for (let turn = 0; turn < 4; turn++) {
    if (list[0] !== undefined && list[0] > 3) break;
    for (let i = 0; i < list.length; i++) list[i] = (list[i] ?? 0) + turn * 0.5;
  }
  const copy = [...list];
  if (b > 1) copy.reverse();
  const pair = a > 0 ? [a, b] : [b, a];
  if (a > 100) copy.push(1);
  else copy.push(2);
  return [list, copy, pair];
};

export const closures = (a: number, b: number) => {
  let count = 0;
  const counter = { total: 0 };
  const add = (x: number): void => {
    count++;
    counter.total += x;
    if (x > 1) counter.total *= 2;
  };
  if (a > 0) add(a);
  add(b);
  let x = a;
  while (x < 3) {
    add(x);
    x += 1.25;
  }
  return [count, counter.total];
};

const power = (x: number, n: number): number => (n === 0 ? 1 : x * power(x, n - 1));

const twice = (f: (x: number) => number, x: number): number => f(f(x));

export const functions = (a: number, b: number) => {
  const damp = (x: number): number => {
    if (Math.abs(x) < 1) return x;
    return Math.sign(x) * Math.sqrt(Math.abs(x));
  };
  let x = a;
  while (Math.abs(x) > 1.01) x = twice(damp, x) * 0.99;
  return [x, power(b, 3), twice(a > 0 ? damp : damp, b)];
};

/** Greatest common divisor, Collatz, bisection. */
export const algorithms = (a: number, b: number) => {
  let [m, n] = [Math.ceil(Math.abs(a) * 12), Math.ceil(b * 30)];
  while (n !== 0) [m, n] = [n, m % n];
  let value = Math.ceil(Math.abs(a) + 6);
  let steps = 0;
  while (value !== 1) {
    value = value % 2 === 0 ? value / 2 : 3 * value + 1;
    steps++;
  }
  let [low, high] = [0, Math.max(b, 1)];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (high - low < 1e-9) break;
    if (middle * middle < b) low = middle;
    else high = middle;
  }
  return [m, value, steps, Math.round(low * 1e6)];
};

/** A variable that only a branch assigns, and one that nobody reads after it. */
export const unread = (a: number, b: number) => {
  let scratch;
  let text = "none";
  if (a > 0) {
    scratch = [a, b];
    text = "two";
  } else {
    scratch = b;
    text = "one";
  }
  let total = 0;
  for (let i = 0; i < 5; i++) {
    if (total > b) break;
    scratch = { i };
    total += scratch.i + Math.abs(a);
  }
  return [total];
};

export const flags = (a: number, b: number) => {
  let isDone = false;
  let found = -1;
  for (let i = 0; !isDone && i < 30; i++) {
    if (i * i * b > Math.abs(a) * 3) {
      isDone = true;
      found = i;
    }
  }
  let isOdd = false;
  let n = Math.ceil(b * 2);
  while (n > 0) {
    isOdd = !isOdd;
    n--;
  }
  return [isDone ? 1 : 0, found, isOdd ? 1 : 0];
};

export const items = (a: number, b: number) => {
  let sum = 0;
  for (const x of [a, b, a * b, 2, 3]) {
    if (x < 0) continue;
    if (sum > 4) break;
    sum += x;
  }
  const positive = [a, b, -a].map((x) => (x > 0 ? x : 0));
  return [sum, ...positive];
};
