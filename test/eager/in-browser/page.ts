/** The page of ../browser.test.ts: what the library gives as plain JavaScript where there is no Node. */

import { device, grad, jit, random, type Tensor, tensor } from "../../../lib/index.ts";

export interface PageApi {
  /** What the first op says when no device is open. */
  withoutDevice(): string;
  /** A gradient op by op, the same by jit, and random bits. */
  compute(): Promise<readonly (readonly number[])[]>;
  /** What a synchronous read says. */
  readNow(): string;
}

const cubes = (x: Tensor<[3]>): Tensor<[]> => x.mul(x).mul(x).sum();
const x = tensor([1, 2, 3]);

function messageOf(body: () => unknown): string {
  try {
    return `no error, but ${String(body())}`;
  } catch (error) {
    return String(error);
  }
}

const api: PageApi = {
  withoutDevice: () => messageOf(() => x.add(1)),
  async compute() {
    await device("webgpu");
    const results = [grad(cubes)(x), jit(grad(cubes))(x), random.randomBits(random.key(7), [4])];
    return Promise.all(results.map(async (result) => [...(await result.data())]));
  },
  readNow: () => messageOf(() => x.sum().item()),
};
Object.assign(globalThis, { tsdlcPage: api });
