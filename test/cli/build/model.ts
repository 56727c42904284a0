/** The model that build.test.ts builds: every kind of argument and result that a package's types have to describe. */

import { mapTree, model, type Tensor } from "tsdlc";

/** One dense layer. */
export interface Params {
  /** From 4 inputs to 3 outputs. */
  w: Tensor<[4, 3]>;
  b: Tensor<[3]>;
}

/**
 * x w + b.
 *
 * Rows of x are samples.
 */
export const predict = model((p: Params, x: Tensor<["N", 4]>) => x.matmul(p.w).add(p.b));

/** The largest output of each row. */
export const classify = model((p: Params, x: Tensor<["N", 4]>) => x.matmul(p.w).add(p.b).argmax(-1));

/** Moves all weights by the rate. */
export const shift = model(
  (p: Params, rate: Tensor<[]>) => ({ p: mapTree((w) => w.add(rate), p), rate }),
  { donate: [0] },
);
