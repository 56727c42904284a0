/**
 * A system of linear equations by conjugate gradients, as textbooks write it: a loop that ends when the remainder is small
 * enough, which is known from its values alone.
 *
 * Hestenes, Stiefel, "Methods of conjugate gradients for solving linear systems", 1952, section 3.
 */

import { model, type Tensor, zerosLike } from "tsdlc";

/** x with a x = b, for a symmetric and positive definite; the remainder is at most 1e-5 of b. */
export const solve = model((a: Tensor<["N", "N"]>, b: Tensor<["N"]>) => {
  let x = zerosLike(b);
  let remainder = b;
  let direction = b;
  let size = remainder.dot(remainder);
  const enough = 1e-10 * size.item();
  for (let i = 0; i < 1000 && size.item() > enough; i++) {
    const image = a.matmul(direction);
    const length = size.div(direction.dot(image));
    x = x.add(direction.mul(length));
    remainder = remainder.sub(image.mul(length));
    const smaller = remainder.dot(remainder);
    direction = remainder.add(direction.mul(smaller.div(size)));
    size = smaller;
  }
  return x;
});
