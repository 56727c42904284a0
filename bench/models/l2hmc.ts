/** The step of examples/l2hmc with what chance brings as an argument, so that all contenders can be given the same. */

import { model, type Tensor } from "tsdlc";
import { learn, type Noise, type Points, type State } from "../../examples/l2hmc/model.ts";

interface BothNoise {
  momentum: Tensor<["M", 2]>;
  direction: Tensor<["M", 1]>;
  acceptance: Tensor<["M"]>;
}

/** M is 2 N: the noise of the chains, then that of the fresh points. */
export const step = model(
  (state: State, chains: Points, fresh: Points, noise: BothNoise, rate: Tensor<[]>, steps: number) => learn(state, chains, fresh, noise as unknown as Noise, rate, steps),
  { donate: [0, 1], dims: { N: { min: 1 }, M: { min: 2 } } },
);

export { init } from "../../examples/l2hmc/model.ts";
