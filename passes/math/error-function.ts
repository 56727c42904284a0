/**
 * erf x in f32: a polynomial near 0, and 1 - e^-g(|x|) beyond, where -log erfc is nearly a parabola.
 */

import type { Builder } from "../../ir/builder.ts";
import type { Value } from "../../ir/module.ts";
import { exponentialOfNegative } from "./exponential.ts";
import { type Arithmetic, polynomial, withSignOf } from "./float-bits.ts";

/** (erf x - x) / x in x^2, for |x| < 0.93, minimax by Remez' exchange. */
const nearZero = [-0.00059455907, 0.004984739, -0.026761465, 0.11281706, -0.3761249, 0.12837915];
/** (-log erfc t - t) / t, for 0.93 <= t <= 4, minimax likewise. */
const logarithmOfComplement = [1.1230376e-05, -0.0003227951, 0.00364243, -0.02376202, 0.106236845, 0.6351513, 0.12864849];

/** erf x, at most 1.13 units of the last place from exact. */
export function errorFunction(b: Builder, x: Value, arithmetic: Arithmetic): Value {
  const magnitude = b.abs(x);
  // From 4 on the result is 1.
  const t = b.min(magnitude, 4);
  const g = b.fma(polynomial(b, t, logarithmOfComplement), t, t);
  const far = b.sub(1, exponentialOfNegative(b, b.neg(g), arithmetic));
  const near = b.fma(polynomial(b, b.mul(x, x), nearZero), x, x);
  return b.select(b.lt(magnitude, 0.93), near, withSignOf(b, far, x));
}
