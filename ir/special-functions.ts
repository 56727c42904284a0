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

/** Veltkamp's splitting into two halves of 26 bits. */
function split(x: number): readonly [high: number, low: number] {
  const scaled = 134217729 * x;
  const high = scaled - (scaled - x);
  return [high, x - high];
}
