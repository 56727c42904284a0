/** What draws of many chains are worth. `draws` has the places of all chains, x and y for each, after each move. */

/**
 * Draws that were as good as one move, if they were independent: 1 / (1 + 2 sum of the autocorrelations), summed until one
 * is below 0.05 (Levy et al., appendix A). The mean of the target is 0, and the variances of both coordinates are given.
 * A negative one ends the sum too: 1 is the most that it says, and of squares, which may mix more slowly, it says nothing.
 */
export function effectiveSamples(draws, variances) {
  const total = variances[0] + variances[1];
  let sum = 0;
  for (let lag = 1; lag < draws.length; lag++) {
    const rho = autocovariance(draws, lag) / total;
    if (rho < 0.05) break;
    sum += rho;
  }
  return 1 / (1 + 2 * sum);
}

/** The mean over moves and chains of x(t) x(t + lag) + y(t) y(t + lag). */
function autocovariance(draws, lag) {
  let sum = 0;
  for (let t = 0; t + lag < draws.length; t++) draws[t].forEach((value, i) => (sum += value * draws[t + lag][i]));
  return sum / ((draws.length - lag) * (draws[0].length / 2));
}

/** [[xx, xy], [xy, yy]] around a mean of 0. */
export function covariance(draws) {
  let [xx, xy, yy, count] = [0, 0, 0, 0];
  for (const places of draws) {
    for (let i = 0; i < places.length; i += 2, count++) {
      const [x, y] = [places[i], places[i + 1]];
      xx += x * x;
      xy += x * y;
      yy += y * y;
    }
  }
  return [[xx / count, xy / count], [xy / count, yy / count]];
}
