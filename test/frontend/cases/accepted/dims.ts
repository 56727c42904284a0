import { model, type Tensor } from "tsdlc";

/** Arithmetic on sizes of named dims stays exact. */
export const reshaped = model((x: Tensor<["N", "M", 4]>) => {
  const [n, m, four] = x.shape as unknown as [number, number, number];
  const pairs = x.reshape([n * m, four]);
  const halves = x.reshape([n, (m * four) / 2, 2]);
  const rows = Math.floor((n * 6) / 3);
  return [pairs, halves, x.mul(n).div(m + 1), rows, Math.max(n, n), x.shape[0] - n, x.shape.length];
});

export const blocks = model((x: Tensor<["N"]>) => x.slice(0, 0, Math.floor(x.shape[0] / 2)));

/** Two names that must be equal become one, and a guard. */
export const joined = model((x: Tensor<["N", 4]>, y: Tensor<["M", 4]>, z: Tensor<["K", 4]>) => x.add(y).mul(z));

export const decided = model((x: Tensor<["N", 4]>) => {
  const n = x.shape[0];
  if (n === x.shape[0] && x.shape[1] === 4 && n + 1 > n) return x.neg();
  return x;
});

/** A size that is no longer a whole number is computed at run time. */
export const fraction = model((x: Tensor<["N"]>) => x.mul(1 / x.shape[0]).mul(Math.sqrt(x.shape[0])).mul(x.shape[0] ** 0.5));

/** What may be outside of an axis is checked at the call. */
export const windows = model((x: Tensor<["N", 4]>, table: Tensor<[8, 4]>) =>
  [x.narrow(0, 2, 3), x.select(0, -1), table.slice(0, 0, x.shape[0]), x.slice(0, 1, -1), x.argmax(0)]);
