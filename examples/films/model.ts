/**
 * Which film somebody will like, from the stars that people gave: a vector for each person and each film, whose product
 * is the guess, fitted by Adam. The tables are those of MovieLens 100K, and Adam keeps two more of each: a step takes the
 * memory of the state that it is given.
 *
 * Koren, Bell, Volinsky, "Matrix factorization techniques for recommender systems", Computer 42, 2009.
 */

import { model, optim, random, type Tensor, valueAndGrad, zeros } from "tsdlc";

export interface Params {
  people: Tensor<[943, 24]>;
  films: Tensor<[1682, 24]>;
  /** How many stars more than others a person gives, and a film gets. */
  mildness: Tensor<[943]>;
  quality: Tensor<[1682]>;
  mean: Tensor<[]>;
}

export interface State {
  params: Params;
  moments: { step: Tensor<[]>; mean: Params; square: Params };
}

/** Who, and what film, for each of N ratings. */
export interface Pairs {
  person: Tensor<["N"], "i32">;
  film: Tensor<["N"], "i32">;
}

function stars(p: Params, { person, film }: Pairs): Tensor<["N"]> {
  const taste = p.people.indexSelect(0, person).mul(p.films.indexSelect(0, film)).sum(-1);
  return taste.add(p.mildness.indexSelect(0, person)).add(p.quality.indexSelect(0, film)).add(p.mean);
}

function loss(p: Params, pairs: Pairs, given: Tensor<["N"]>): Tensor<[]> {
  return stars(p, pairs).sub(given).square().mean();
}

export const init = model((key: random.Key): State => {
  const [first, second] = random.split(key);
  const params: Params = {
    people: random.normal(first, [943, 24]).mul(0.1),
    films: random.normal(second, [1682, 24]).mul(0.1),
    mildness: zeros([943]),
    quality: zeros([1682]),
    mean: zeros([]),
  };
  return { params, moments: optim.adam().init(params) };
});

/** The stars that each person would give to a film, from 1 to 5. */
export const predict = model((params: Params, pairs: Pairs) => stars(params, pairs).clamp(1, 5));

/** One step of training; what comes back is the mean squared error before it. */
export const step = model(
  (state: State, pairs: Pairs, given: Tensor<["N"]>) => {
    const [error, gradients] = valueAndGrad(loss)(state.params, pairs, given);
    const { params, state: moments } = optim.adam({ learningRate: 0.01 }).update(state.params, gradients, state.moments);
    return { state: { params, moments }, error };
  },
  { donate: [0] },
);
