/** Losses in the DSL. */

import { iota, where } from "./create.ts";
import { stopGradient } from "./grad.ts";
import type { Shape } from "./shape.ts";
import type { Float, Tensor } from "./tensor.ts";

/**
 * log(sum(exp(x))) - x[label]. The label's logit is picked by comparing every class with the label, so that all of it
 * is one kernel, and its gradient, softmax(x) - oneHot(label), is another with no scatter.
 */
export function softmaxCrossEntropy<F extends Float>(logits: Tensor<Shape, F>, labels: Tensor<Shape, "i32">): Tensor<Shape, F> {
  if (labels.shape.length !== logits.shape.length - 1) {
    throw new Error(`softmaxCrossEntropy needs one label for each row of the logits: labels of rank ${logits.shape.length - 1}, and these have rank ${labels.shape.length}`);
  }
  const shifted = logits.sub(stopGradient(logits.max(-1, { keepdim: true })));
  const isLabel = iota("i32", logits.shape, -1).eq(labels.unsqueeze(-1));
  const picked = where(isLabel, shifted, 0).sum(-1);
  return shifted.exp().sum(-1).log().sub(picked);
}
