/** A few steps of MNIST, the same in Node and in a page: what the losses were, and the weights that came out. */

import type { init, step } from "../../examples/mnist/model.ts";
import { tensor } from "../../lib/index.ts";

export interface Trained {
  readonly losses: readonly number[];
  readonly w2: readonly number[];
  readonly device: string;
}

export async function trainMnist(model: { readonly init: typeof init; readonly step: typeof step }, images: readonly (readonly number[])[], labels: readonly (readonly number[])[]): Promise<Trained> {
  let state = model.init(tensor(new Uint32Array([0, 7]), [2]));
  const losses: number[] = [];
  for (const [i, batch] of images.entries()) {
    const own = labels[i] ?? [];
    const result = model.step(state, tensor(new Float32Array(batch), [own.length, 784]), tensor(new Int32Array(own), [own.length]), tensor(0.1, []));
    state = result.state;
    losses.push(await result.loss.itemAsync());
  }
  return { losses, w2: [...(await state.params.w2.data())], device: state.params.w2.device };
}
