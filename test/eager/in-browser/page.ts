/** The page of ../browser.test.ts: what the library gives as plain JavaScript where there is no Node. */

import { device, grad, jit, random, type Tensor, tensor } from "../../../lib/index.ts";

export interface PageApi {
  /** What the first op says when no device is open. */
  withoutDevice(): string;
  /** A gradient op by op, the same by jit, the same by one compilation for two sizes, random bits, and what was donated. */
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
    const named = jit(grad((y: Tensor<["N"]>) => y.mul(y).mul(y).sum()), { dims: [["N"]] });
    const add = jit((y: Tensor<["N"]>, z: Tensor<[]>) => y.add(z), { donate: [0] });
    const large = add(tensor(new Float32Array(2000).fill(1)), tensor(2)).slice(0, 1998);
    const results = [grad(cubes)(x), jit(grad(cubes))(x), named(x), named(tensor([2])), random.randomBits(random.key(7), [4]), large];
    const read = await Promise.all(results.map(async (result) => [...(await result.data())]));
    return [...read, [jit.explain(named).compilations]];
  },
  readNow: () => messageOf(() => x.sum().item()),
};
Object.assign(globalThis, { tsdlcPage: api });
