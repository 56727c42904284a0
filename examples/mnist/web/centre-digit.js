/**
 * A drawing as MNIST would have it. Its digits were scaled to fit a box of 20 by 20 pixels, keeping their proportions,
 * and placed so that the centre of mass of the ink is the middle of 28 by 28 (http://yann.lecun.com/exdb/mnist/): pixel
 * 14, counted from 0, as the means over its test digits are 14.00 and 13.99.
 */

const side = 28;
const box = 20;

/**
 * @param {ArrayLike<number>} ink row by row, 0 for paper; any scale
 * @param {number} width
 * @param {number} height
 * @returns {Float32Array | undefined} 28 by 28 pixels from 0 to 1; undefined where nothing is drawn
 */
export function centreDigit(ink, width, height) {
  const bounds = boundsOf(ink, width, height);
  if (bounds === undefined) return undefined;
  const scale = Math.max(bounds.width, bounds.height) / box;
  const columns = Math.max(1, Math.round(bounds.width / scale));
  const rows = Math.max(1, Math.round(bounds.height / scale));

  const small = new Float32Array(rows * columns);
  let mass = 0;
  let massX = 0;
  let massY = 0;
  let most = 0;
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const value = mean(ink, width, {
        left: bounds.left + (x * bounds.width) / columns,
        right: bounds.left + ((x + 1) * bounds.width) / columns,
        top: bounds.top + (y * bounds.height) / rows,
        bottom: bounds.top + ((y + 1) * bounds.height) / rows,
      });
      small[y * columns + x] = value;
      mass += value;
      massX += value * x;
      massY += value * y;
      most = Math.max(most, value);
    }
  }

  const left = place(massX / mass, columns);
  const top = place(massY / mass, rows);
  const digit = new Float32Array(side * side);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) digit[(top + y) * side + left + x] = small[y * columns + x] / most;
  }
  return digit;
}

/** Where a stretch starts so that its pixel `centre` comes to lie in the middle; it never leaves the picture. */
function place(centre, length) {
  return Math.min(side - length, Math.max(0, Math.round(side / 2 - centre)));
}

function boundsOf(ink, width, height) {
  let [left, right, top, bottom] = [width, -1, height, -1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!(ink[y * width + x] > 0)) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = y;
    }
  }
  return right < 0 ? undefined : { left, top, width: right + 1 - left, height: bottom + 1 - top };
}

/** The mean ink of a rectangle, whose edges may run through pixels. */
function mean(ink, width, { left, right, top, bottom }) {
  let sum = 0;
  for (let y = Math.floor(top); y < bottom; y++) {
    const high = Math.min(y + 1, bottom) - Math.max(y, top);
    for (let x = Math.floor(left); x < right; x++) sum += ink[y * width + x] * high * (Math.min(x + 1, right) - Math.max(x, left));
  }
  return sum / ((right - left) * (bottom - top));
}
