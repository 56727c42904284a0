/**
 * Optimizers in the DSL. Each factory returns { init, update }: `init(params)` makes the state, a tree like any other,
 * and `update(params, gradients, state)` the next params and state. A learning rate may be a tensor of rank 0, so that
 * a schedule needs no new build. Defaults are PyTorch's.
 */

import { zeros, zerosLike } from "./create.ts";
import type { Tensor } from "./tensor.ts";
import { mapTree } from "./tree.ts";

export type LearningRate = number | Tensor<[]>;

export interface Optimizer<Extra> {
  init<P>(params: P): OptimizerState<P, Extra>;
  update<P>(params: P, gradients: NoInfer<P>, state: OptimizerState<NoInfer<P>, Extra>): { params: P; state: OptimizerState<P, Extra> };
}

/** What an optimizer keeps for params of type P; `Extra` says which of the fields it has. */
export type OptimizerState<P, Extra> = Extra extends "moments" ? Moments<P> : Extra extends "velocity" ? { velocity: P } : Record<string, never>;

export interface Moments<P> {
  /** How many updates there have been. */
  step: Tensor<[]>;
  /** Running means of the gradients and of their squares. */
  mean: P;
  square: P;
}

/** w - rate * g */
export function sgd(options: { readonly learningRate: LearningRate }): Optimizer<"none"> {
  return {
    init: () => ({}),
    update: <P>(params: P, gradients: P, state: Record<string, never>) => ({
      params: mapTree<P, "f32">((w, g) => w.sub(g.mul(options.learningRate)), params, gradients),
      state,
    }),
  };
}

/** v = momentum * v + g; w - rate * v (torch.optim.SGD with momentum; Sutskever et al., ICML 2013, section 2). */
export function momentum(options: { readonly learningRate: LearningRate; readonly momentum?: number; readonly nesterov?: boolean }): Optimizer<"velocity"> {
  const keep = options.momentum ?? 0.9;
  return {
    init: <P>(params: P) => ({ velocity: mapTree<P, "f32">((w) => zerosLike(w), params) }),
    update: <P>(params: P, gradients: P, state: { velocity: P }) => {
      const velocity = mapTree<P, "f32">((v, g) => v.mul(keep).add(g), state.velocity, gradients);
      const direction = options.nesterov === true ? mapTree<P, "f32">((v, g) => v.mul(keep).add(g), velocity, gradients) : velocity;
      return { params: mapTree<P, "f32">((w, d) => w.sub(d.mul(options.learningRate)), params, direction), state: { velocity } };
    },
  };
}

export interface AdamOptions {
  /** 0.001 unless said otherwise. */
  readonly learningRate?: LearningRate;
  /** How much of the running means is kept: [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root, 1e-8. */
  readonly eps?: number;
}

/** Kingma, Ba, "Adam: a method for stochastic optimization", ICLR 2015 (arXiv:1412.6980), algorithm 1. */
export function adam(options: AdamOptions = {}): Optimizer<"moments"> {
  return adamFamily(options, 0);
}

/** Loshchilov, Hutter, "Decoupled weight decay regularization", ICLR 2019 (arXiv:1711.05101), algorithm 2; decay 0.01. */
export function adamW(options: AdamOptions & { readonly weightDecay?: number } = {}): Optimizer<"moments"> {
  return adamFamily(options, options.weightDecay ?? 0.01);
}

function adamFamily(options: AdamOptions, weightDecay: number): Optimizer<"moments"> {
  const rate = options.learningRate ?? 0.001;
  const [keepMean, keepSquare] = options.betas ?? [0.9, 0.999];
  const eps = options.eps ?? 1e-8;
  return {
    init: <P>(params: P) => ({
      step: zeros([]),
      mean: mapTree<P, "f32">((w) => zerosLike(w), params),
      square: mapTree<P, "f32">((w) => zerosLike(w), params),
    }),
    update: <P>(params: P, gradients: P, state: Moments<P>) => {
      const step = state.step.add(1);
      const mean = mapTree<P, "f32">((m, g) => m.mul(keepMean).add(g.mul(1 - keepMean)), state.mean, gradients);
      const square = mapTree<P, "f32">((v, g) => v.mul(keepSquare).add(g.mul(g).mul(1 - keepSquare)), state.square, gradients);
      const meanShare = shareOf(keepMean, step);
      const squareShare = shareOf(keepSquare, step);
      const next = mapTree<P, "f32">(
        (w, m, v) => {
          const direction = m.div(meanShare).div(v.div(squareShare).sqrt().add(eps));
          const decayed = weightDecay === 0 ? w : w.sub(w.mul(weightDecay).mul(rate));
          return decayed.sub(direction.mul(rate));
        },
        params,
        mean,
        square,
      );
      return { params: next, state: { step, mean, square } };
    },
  };
}

/** 1 - keep^step: how much of a running mean that began at 0 has been filled in; by expm1, since it may be small. */
function shareOf(keep: number, step: Tensor<[]>): Tensor<[]> {
  return step.mul(Math.log(keep)).expm1().neg();
}
