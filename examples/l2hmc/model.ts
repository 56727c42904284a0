/**
 * L2HMC, a sampler that learns: Hamiltonian Monte Carlo whose leapfrog steps are bent by networks, and which still draws
 * from the right distribution (Levy, Hoffman, Sohl-Dickstein, "Generalizing Hamiltonian Monte Carlo with neural
 * networks", ICLR 2018, arXiv:1711.09268; equations are theirs). The target is their strongly correlated Gaussian.
 *
 * All chains go at once, one in each row. A chain goes forward or back, by its direction d of 1 or -1. A step back undoes
 * a step forward: where that stretches by exp(s) and then shifts, it shifts first and then shrinks. Both are
 * y = x exp(d s) + d shift exp(min(d, 0) s), so that one loop moves all chains whatever their directions.
 */

import { concat, constant, full, grad, initial, model, ones, optim, random, type Tensor, valueAndGrad, zeros } from "tsdlc";

/** A row for each chain. */
export type Points = Tensor<["N", 2]>;
type Column = Tensor<["N", 1]>;

/** A network from a place, what pulls there and the time to how to stretch (S), shift (T) and bend (Q). */
export interface Network {
  w1: Tensor<[6, 10]>;
  b1: Tensor<[10]>;
  w2: Tensor<[10, 10]>;
  b2: Tensor<[10]>;
  /** S, T and Q side by side. */
  w3: Tensor<[10, 6]>;
  b3: Tensor<[6]>;
  /** Logarithms of how far tanh(S) and tanh(Q) may go. */
  reach: Tensor<[2, 2]>;
}

export interface Params {
  /** Moves places. */
  place: Network;
  /** Moves momenta. */
  momentum: Network;
  logStepSize: Tensor<[]>;
}

/** What chance brings to one move of every chain. */
export interface Noise {
  momentum: Points;
  /** 1 forward, -1 back. */
  direction: Column;
  /** Of [0, 1): a move is accepted where this is less than its probability. */
  acceptance: Tensor<["N"]>;
}

/** Where chains are and how fast they go, and the logarithm of how much their moves stretched space. */
interface Phase { x: Points; v: Points; logDeterminant: Column }
interface Proposal extends Phase { probability: Tensor<["N"]> }

/* ---------------------------------------------------------------- the target */

/** Variances of 100 and 0.01 on axes turned by 45 degrees: its inverse covariance has (100 + 0.01) / 2 and (0.01 - 100) / 2. */
const precision = [[50.005, -49.995], [-49.995, 50.005]];

/** -log of the density, up to a constant. */
function energy(x: Points): Tensor<["N"]> {
  return x.mul(x.matmul(constant(precision))).sum(1).mul(0.5) as Tensor<["N"]>;
}

const slope = grad((x: Points) => energy(x).sum());

/* ---------------------------------------------------------------- one move */

function apply(net: Network, place: Points, pull: Points, time: Points): { stretch: Points; shift: Points; bend: Points } {
  const first = concat([place, pull, time], 1).matmul(net.w1).add(net.b1).relu();
  const heads = first.matmul(net.w2).add(net.b2).relu().matmul(net.w3).add(net.b3);
  const reach = net.reach.exp();
  return {
    stretch: heads.narrow(1, 0, 2).tanh().mul(reach.select(0, 0)),
    shift: heads.narrow(1, 2, 2),
    bend: heads.narrow(1, 4, 2).tanh().mul(reach.select(0, 1)),
  };
}

/** Half a step of momentum (equations 4 and 5 of section 4; forward v exp(eps S / 2) - eps / 2 (slope exp(eps Q) + T)). */
function kick(params: Params, { x, v, logDeterminant }: Phase, time: Points, d: Column): Phase {
  const eps = params.logStepSize.exp();
  const pull = slope(x);
  const { stretch, shift, bend } = apply(params.momentum, x, pull, time);
  const s = stretch.mul(eps.mul(0.5));
  const push = pull.mul(bend.mul(eps).exp()).add(shift).mul(eps.mul(-0.5));
  return { x, v: move(v, s, push, d), logDeterminant: logDeterminant.add(s.sum(1, { keepdim: true }).mul(d)) };
}

/** A step of the half of the coordinates that the mask names; forward x exp(eps S) + eps (v exp(eps Q) + T). */
function drift(params: Params, { x, v, logDeterminant }: Phase, mask: Points, time: Points, d: Column): Phase {
  const eps = params.logStepSize.exp();
  const { stretch, shift, bend } = apply(params.place, x.mul(mask.neg().add(1)), v, time);
  const s = stretch.mul(eps).mul(mask);
  const push = v.mul(bend.mul(eps).exp()).add(shift).mul(eps).mul(mask);
  return { x: move(x, s, push, d), v, logDeterminant: logDeterminant.add(s.sum(1, { keepdim: true }).mul(d)) };
}

function move(x: Points, s: Points, push: Points, d: Column): Points {
  return x.mul(s.mul(d).exp()).add(push.mul(d).mul(s.mul(d.minimum(0)).exp()));
}

/** Where each chain is after `steps` leapfrog steps in its direction, and the probability with which it may go there. */
export function propose(params: Params, start: Points, noise: Noise, steps: number): Proposal {
  const d = noise.direction;
  let phase: Phase = { x: start, v: noise.momentum, logDeterminant: d.mul(0) };
  for (let i = 0; i < steps; i++) {
    // Chains that go back pass the same steps from the last to the first.
    const t = d.mul(i - (steps - 1) / 2).add((steps - 1) / 2);
    const angle = t.mul((2 * Math.PI) / steps);
    const time = concat([angle.cos(), angle.sin()], 1);
    // One coordinate moves, then the other: the first one in even steps, or where a step is undone the second one.
    const isOdd = t.sub(t.mul(0.5).floor().mul(2));
    const second = d.sub(1).mul(-0.5).sub(isOdd).abs();
    const first = second.neg().add(1);
    phase = kick(params, phase, time, d);
    phase = drift(params, phase, concat([first, second], 1), time, d);
    phase = drift(params, phase, concat([second, first], 1), time, d);
    phase = kick(params, phase, time, d);
  }
  const before = energy(start).add(kinetic(noise.momentum));
  const after = energy(phase.x).add(kinetic(phase.v));
  const gain = before.sub(after).add(phase.logDeterminant.select(1, 0));
  return { ...phase, probability: gain.minimum(0).exp() };
}

function kinetic(v: Points): Tensor<["N"]> {
  return v.square().sum(1).mul(0.5) as Tensor<["N"]>;
}

/** Metropolis and Hastings: chains go where they were proposed to, or stay. */
function accept(from: Points, { x, probability }: Proposal, noise: Noise): Points {
  const goes = noise.acceptance.lt(probability).to("f32").unsqueeze(1);
  return from.add(x.sub(from).mul(goes));
}

/* ---------------------------------------------------------------- learning */

/** Of the loss: a length of moves (lambda squared in the paper, which is 0.1 in its experiments). */
const scale = 0.1;
/** How much fresh points count beside the chains (mu in the paper). */
const burnInWeight = 0.01;

export interface State {
  params: Params;
  moments: optim.Moments<Params>;
}

/** Equation 8: moves should be long, by their squared length times their probability, and none should be short. */
function shortness(from: Points, { x, probability }: Proposal): Tensor<["N"]> {
  const jump = x.sub(from).square().sum(1).mul(probability).add(1e-4);
  return jump.pow(-1).mul(scale).sub(jump.mul(1 / scale)) as Tensor<["N"]>;
}

/** The loss of a move from where the chains are and from fresh points, which burn-in has to be fast from; and where the chains go. */
function loss(params: Params, chains: Points, fresh: Points, noise: Noise, steps: number): [Tensor<[]>, { moved: Points; probability: Tensor<[]> }] {
  const count = chains.shape[0];
  // Both are rows of one batch, which costs less than two.
  const from = concat([chains, fresh], 0) as Points;
  const proposal = propose(params, from, noise, steps);
  const weights = concat([ones([count]), full([count], burnInWeight)], 0);
  const value = shortness(from, proposal).mul(weights).sum().div(count);
  const moved = accept(from, proposal, noise).narrow(0, 0, count) as Points;
  return [value as Tensor<[]>, { moved, probability: proposal.probability.narrow(0, 0, count).mean() as Tensor<[]> }];
}

/** One step of training by Adam: what chance brings is given. Each half of `noise` is for a half of the chains and fresh points. */
export function learn(state: State, chains: Points, fresh: Points, noise: Noise, rate: Tensor<[]>, steps: number) {
  const [[value, { moved, probability }], gradients] = valueAndGrad(loss, { aux: true })(state.params, chains, fresh, noise, steps);
  const { params, state: moments } = optim.adam({ learningRate: rate }).update(state.params, gradients, state.moments);
  return { state: { params, moments }, chains: moved, loss: value, probability };
}

function draw(key: random.Key, count: number): Noise {
  const [first, second, third] = random.split(key, 3);
  return {
    momentum: random.normal(first, [count, 2]) as Points,
    direction: random.uniform(second, [count, 1]).lt(0.5).to("f32").mul(2).sub(1) as Column,
    acceptance: random.uniform(third, [count]) as Tensor<["N"]>,
  };
}

function network(key: random.Key): Network {
  const [first, second, third] = random.split(key, 3);
  return {
    w1: initial.kaimingNormal(first, [6, 10]), b1: zeros([10]),
    w2: initial.kaimingNormal(second, [10, 10]), b2: zeros([10]),
    // Next to nothing, so that the first moves are those of plain HMC.
    w3: initial.kaimingNormal(third, [10, 6], { gain: 1e-3 }), b3: zeros([6]),
    reach: zeros([2, 2]),
  };
}

/* ---------------------------------------------------------------- what the package exports */

/** A sampler that has learned nothing yet: plain HMC with steps of 0.1. */
export const init = model((key: random.Key): State => {
  const [first, second] = random.split(key);
  const params: Params = { place: network(first), momentum: network(second), logStepSize: zeros([]).add(Math.log(0.1)) };
  return { params, moments: optim.adam().init(params) };
});

/** One step of training on chains, with `steps` leapfrog steps in a move; where the chains go, and the mean probability of going. */
export const train = model((state: State, chains: Points, key: random.Key, rate: Tensor<[]>, steps: number) => {
  const [first, second] = random.split(key);
  const fresh = random.normal(first, [chains.shape[0], 2]) as Points;
  return learn(state, chains, fresh, draw(second, 2 * chains.shape[0]), rate, steps);
}, { dims: { N: { min: 1 } } });

/** One move of every chain: where it is then. */
export const sample = model((params: Params, chains: Points, key: random.Key, steps: number) => {
  const noise = draw(key, chains.shape[0]);
  return accept(chains, propose(params, chains, noise, steps), noise);
});
