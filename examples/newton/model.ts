/**
 * Kepler's equation E - e sin E = M by Newton's method, for many orbits at once, with gradients of the answer: how the
 * place on the orbit changes with its eccentricity e and with the time, which M counts.
 *
 * The loop ends when the answer no longer moves, so how often it turns is known at run time alone. `sensitivity` is the
 * gradient through those turns, and `implicitSensitivity` what the implicit function theorem says: at the answer
 * F(E, e, M) = E - e sin E - M is 0, hence dE/dM = -F_M / F_E and dE/de = -F_e / F_E.
 */

import { grad, model, type Tensor } from "tsdlc";

/** An angle, or an eccentricity from 0 to below 1, of each orbit. */
export type Orbits = Tensor<["N"]>;

/** Turns are bounded: a tolerance below what rounding leaves of a step would never be met. */
const mostTurns = 50;

function newton(eccentricity: Orbits, mean: Orbits, tolerance: number): { anomaly: Orbits; turns: number } {
  // A start from which Newton converges for every e and M (Danby, Burkardt, "The solution of Kepler's equation", 1983).
  let anomaly = mean.add(eccentricity.mul(mean.sin().sign()).mul(0.85));
  let largestMove = tolerance + 1;
  let turns = 0;
  while (largestMove > tolerance && turns < mostTurns) {
    const residual = anomaly.sub(eccentricity.mul(anomaly.sin())).sub(mean);
    const slope = eccentricity.mul(anomaly.cos()).neg().add(1);
    const move = residual.div(slope);
    anomaly = anomaly.sub(move);
    largestMove = move.abs().max().item();
    turns++;
  }
  return { anomaly, turns };
}

/** The eccentric anomaly E of each orbit, and how many turns the slowest one took. */
export const solve = model((eccentricity: Orbits, mean: Orbits, tolerance: number) => newton(eccentricity, mean, tolerance), { dims: { N: { min: 1 } } });

/** dE/de and dE/dM by the gradient through the loop: orbits do not touch each other, so the sum has their derivatives. */
export const sensitivity = model((eccentricity: Orbits, mean: Orbits, tolerance: number) => {
  const total = (e: Orbits, m: Orbits): Tensor<[]> => newton(e, m, tolerance).anomaly.sum();
  const [byEccentricity, byMean] = grad(total, { wrt: [0, 1] })(eccentricity, mean);
  return { byEccentricity, byMean };
}, { dims: { N: { min: 1 } } });

/** The same by the implicit function theorem. */
export const implicitSensitivity = model((eccentricity: Orbits, mean: Orbits, tolerance: number) => {
  const { anomaly } = newton(eccentricity, mean, tolerance);
  const slope = eccentricity.mul(anomaly.cos()).neg().add(1);
  return { byEccentricity: anomaly.sin().div(slope), byMean: slope.pow(-1) };
}, { dims: { N: { min: 1 } } });
