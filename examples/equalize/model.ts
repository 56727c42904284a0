/**
 * A gray picture with all of its 256 shades in use: what is dark in a flat picture becomes visible. Whole numbers from
 * end to end, so that the outcome is the same bit for bit on every machine.
 */

import { model, ones, type Tensor, where, zeros } from "tsdlc";

/** How many pixels there are of each shade. */
function histogram(picture: Tensor<["H", "W"], "u8">): Tensor<[256], "i32"> {
  const shades = picture.flatten().to("i32");
  return zeros([256], "i32").indexAdd(0, shades, ones(shades.shape, "i32"));
}

/**
 * Each shade by the share of pixels that are darker or equal, less those of the darkest shade: 255 (c - first) /
 * (pixels - first). A picture of one shade stays as it is.
 */
export const equalize = model((picture: Tensor<["H", "W"], "u8">) => {
  const counted = histogram(picture).cumsum(0);
  const pixels = counted.select(0, 255);
  const first = where(counted.gt(0), counted, pixels).min();
  const shares = counted.sub(first).mul(255).div(pixels.sub(first).maximum(1));
  const isFlat = first.eq(pixels);
  const replaced = shares.maximum(0).to("u8").indexSelect(0, picture.to("i32"));
  return where(isFlat, picture, replaced);
});

/** The pixels that are brighter than all of their four neighbours; beyond the border it is dark. */
export const peaks = model((picture: Tensor<["H", "W"], "u8">) => {
  const [height, width] = picture.shape;
  const framed = picture.to("i32").pad([[1, 1], [1, 1]], -1);
  const at = (row: number, column: number) => framed.narrow(0, row, height).narrow(1, column, width);
  const center = at(1, 1);
  return center.gt(at(0, 1)).logicalAnd(center.gt(at(2, 1))).logicalAnd(center.gt(at(1, 0))).logicalAnd(center.gt(at(1, 2)));
});
