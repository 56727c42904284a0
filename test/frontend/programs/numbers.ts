/**
 * Functions of numbers that are known only at run time. The test runs each as JavaScript and as a model, in f64, and
 * compares.
 */

export const arithmetic = (a: number, b: number) => [a + b, a - b, a * b, a / b, a % b, b % a, a ** 2, -a, +a, 2 - a, 1 / b, 3 % b];

export const mathematics = (a: number, b: number) => [
  Math.abs(a), Math.sign(a), Math.floor(a), Math.ceil(a), Math.round(a), Math.trunc(a), Math.sqrt(b), Math.exp(a), Math.expm1(a), Math.log(b), Math.log1p(b),
  Math.sin(a), Math.cos(a), Math.tan(a), Math.tanh(a), Math.log2(b), Math.log10(b), Math.pow(b, 1.5), Math.max(a, b), Math.min(a, b, 0.25), Math.hypot(a, b, 1), Math.fround(a),
];

export const locals = (a: number, b: number) => {
  let total = a;
  for (let i = 0; i < 3; i++) total += i * b;
  const { low, high } = { low: Math.min(a, b), high: Math.max(a, b) };
  total /= high - low;
  return { total, parts: [low, high], constant: 4 };
};

/** Cosine decay with warm-up, as a learning rate is computed in a training step. */
export const schedule = (step: number, rate: number) => {
  const warm = Math.min(step / 100, 1);
  return rate * warm * 0.5 * (1 + Math.cos((Math.PI * step) / 1000));
};
