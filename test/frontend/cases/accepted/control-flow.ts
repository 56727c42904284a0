// Branches and loops that run time decides, and gradients through them.
import { grad, model, type Tensor } from "tsdlc";

/** The square root, by Newton's iteration. */
export const root = model((x: Tensor<[]>) => {
  let guess = x.maximum(1);
  let steps = 0;
  while (guess.mul(guess).sub(x).abs().item() > 1e-6 && steps < 50) {
    guess = guess.add(x.div(guess)).mul(0.5);
    steps++;
  }
  return { guess, steps };
});

function clipped(x: Tensor<["N"]>, limit: number): Tensor<["N"]> {
  const norm = x.square().sum().sqrt();
  if (norm.item() > limit) return x.mul(limit).div(norm);
  return x;
}

export const clip = model((x: Tensor<["N"]>, limit: number) => clipped(x, limit));

export const slope = model((x: Tensor<["N"]>, n: number) =>
  grad((x: Tensor<["N"]>) => {
    let y = x;
    for (let i = 0; i < n; i++) {
      if (i % 2 === 0) y = y.mul(x).tanh();
      else y = y.add(i);
    }
    return y.sum();
  })(x));
