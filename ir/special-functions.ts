/**
 * Functions of numbers that JavaScript's Math does not have, in full double precision: the meaning of ops, for the
 * reference evaluation. Speed is no concern here; kernels have their own versions.
 */

const twoOverRootPi = 1.1283791670955126;

/**
 * The error function. Below 2 by the series of positive terms erf x = 2/sqrt(pi) exp(-x^2) sum 2^n x^(2n+1) / (2n+1)!!
 * (Abramowitz and Stegun 7.1.6); above by the continued fraction of the complement (7.1.14).
 */
export function erf(x: number): number {
  if (Number.isNaN(x)) return NaN;
  const magnitude = Math.abs(x);
  if (magnitude > 6) return Math.sign(x);
  return magnitude < 2 ? erfSeries(x) : Math.sign(x) * (1 - erfcFraction(magnitude));
}

function erfSeries(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > Math.abs(sum) * 1e-18; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return twoOverRootPi * Math.exp(-x * x) * sum;
}

/** erfc x = exp(-x^2)/sqrt(pi) 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + ...)))), from the innermost term out. */
function erfcFraction(x: number): number {
  let denominator = x;
  for (let n = 200; n >= 1; n--) denominator = x + n / 2 / denominator;
  return (twoOverRootPi / 2) * Math.exp(-x * x) / denominator;
}

/** Nearest integer, ties to the even one; keeps the sign of zero. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest === 0 || !Number.isFinite(x)) return x;
  const rounded = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
  return rounded === 0 && x < 0 ? -0 : rounded;
}

/** x^y as IEEE 754-2008 has it: 1 to anything is 1, which JavaScript's ** denies for NaN and infinity. */
export function power(x: number, y: number): number {
  if (x === 1 || (x === -1 && Math.abs(y) === Infinity)) return 1;
  return x ** y;
}

/**
 * a b + c with one rounding, up to a rare tie: the product as an exact sum of two doubles (Dekker 1971), then the sum
 * with its error (Knuth's two-sum).
 */
export function fusedMultiplyAdd(a: number, b: number, c: number): number {
  const product = a * b;
  const sum = product + c;
  if (!Number.isFinite(sum)) return sum;
  const [aHigh, aLow] = split(a);
  const [bHigh, bLow] = split(b);
  const productError = aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow);
  const rounded = sum - product;
  const sumError = product - (sum - rounded) + (c - rounded);
  const error = productError + sumError;
  return Number.isFinite(error) ? sum + error : sum;
}

/**
 * The same rounded to f32 once, for f32 operands. Their product is exact in a double, and the sum is rounded to odd: of
 * the two doubles around the exact sum, the one whose last bit is 1, from which rounding to f32 gives what rounding the
 * exact sum would (Boldo and Melquiond 2008).
 */
export function fusedMultiplyAddToFloat(a: number, b: number, c: number): number {
  const product = a * b;
  const sum = product + c;
  const rounded = sum - product;
  const error = product - (sum - rounded) + (c - rounded);
  if (error === 0 || !Number.isFinite(error)) return Math.fround(sum);
  scratch.setFloat64(0, sum);
  const bits = scratch.getBigInt64(0);
  if ((bits & 1n) === 0n) scratch.setBigInt64(0, error > 0 === sum > 0 ? bits + 1n : bits - 1n);
  return Math.fround(scratch.getFloat64(0));
}

const scratch = new DataView(new ArrayBuffer(8));

/** Veltkamp's splitting into two halves of 26 bits. */
function split(x: number): readonly [high: number, low: number] {
  const scaled = 134217729 * x;
  const high = scaled - (scaled - x);
  return [high, x - high];
}
