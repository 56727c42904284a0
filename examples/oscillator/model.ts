/**
 * A differential equation solved by a network: u'' + u = 0 with u(0) = 1 and u'(0) = 0, whose solution is the cosine. The
 * loss has the second derivative of the network by its input in it, and training takes the gradient of that by the
 * weights: three derivatives, one inside of the other.
 *
 * Raissi, Perdikaris, Karniadakis, "Physics-informed neural networks", J. Comput. Phys. 378, 2019.
 */

import { grad, initial, model, optim, random, type Tensor, valueAndGrad, zeros } from "tsdlc";

export interface Params {
  w1: Tensor<[1, 24]>;
  b1: Tensor<[24]>;
  w2: Tensor<[24, 1]>;
}

export interface State {
  params: Params;
  moments: { step: Tensor<[]>; mean: Params; square: Params };
}

/** The network at N times, as 1 + t^2 times a perceptron: so both conditions at 0 hold whatever the weights are. */
function position(t: Tensor<["N"]>, p: Params): Tensor<["N"]> {
  const hidden = t.unsqueeze(1).mul(p.w1).add(p.b1).tanh();
  return hidden.matmul(p.w2).squeeze(1).mul(t.square()).add(1);
}

/** The derivative of each position by its own time: that of their sum, since no time is in the position of another. */
function velocity(t: Tensor<["N"]>, p: Params): Tensor<["N"]> {
  return grad((t: Tensor<["N"]>, p: Params) => position(t, p).sum())(t, p);
}

function acceleration(t: Tensor<["N"]>, p: Params): Tensor<["N"]> {
  return grad((t: Tensor<["N"]>, p: Params) => velocity(t, p).sum())(t, p);
}

function loss(p: Params, t: Tensor<["N"]>): Tensor<[]> {
  return acceleration(t, p).add(position(t, p)).square().mean();
}

export const init = model((key: random.Key): State => {
  const [first, second] = random.split(key);
  const params: Params = { w1: random.normal(first, [1, 24]), b1: zeros([24]), w2: initial.xavierUniform(second, [24, 1]) };
  return { params, moments: optim.adam().init(params) };
});

/** Position and velocity at these times. */
export const motion = model((params: Params, t: Tensor<["N"]>) => ({ position: position(t, params), velocity: velocity(t, params) }));

/** One step of training; the loss is the mean square of what is missing from the equation at these times. */
export const step = model(
  (state: State, t: Tensor<["N"]>, learningRate: Tensor<[]>) => {
    const [missing, gradients] = valueAndGrad(loss)(state.params, t);
    const { params, state: moments } = optim.adam({ learningRate }).update(state.params, gradients, state.moments);
    return { state: { params, moments }, missing };
  },
  { donate: [0] },
);
