/** The page of ../browser.test.ts: what the library gives as plain JavaScript where there is no Node. */

import { init, step } from "../../../examples/mnist/model.ts";
import { hostArray, type HostArray } from "../../../ir/host.ts";
import { parse } from "../../../ir/parse.ts";
import type { DType } from "../../../ir/type.ts";
import { device, grad, jit, random, type Tensor, tensor } from "../../../lib/index.ts";
import { toHost, toTensor } from "../host-tensors.ts";
import { gradientOfOp, runOp } from "../run-op.ts";
import { trainMnist, type Trained } from "../train-mnist.ts";

/** A host array on its way between Node and the page. */
export interface SentArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

export interface PageApi {
  /** What the first op says when no device is open. */
  withoutDevice(): string;
  /** A gradient op by op, the same by jit, the same by one compilation for two sizes, random bits, and what was donated. */
  compute(): Promise<readonly (readonly number[])[]>;
  /** What a synchronous read says. */
  readNow(): string;
  /** The results of the function that a module in text form has. */
  op(text: string, inputs: readonly SentArray[]): Promise<readonly SentArray[]>;
  opGradient(text: string, inputs: readonly SentArray[], weights: SentArray, wrt: readonly number[]): Promise<readonly SentArray[]>;
  /** Steps of MNIST on these digits, op by op or by jit. */
  train(way: "eager" | "jit", images: readonly (readonly number[])[], labels: readonly (readonly number[])[]): Promise<Trained>;
  /** Writes to the console a tensor of the host, one of the device, one that has ended; and what text() gives. */
  print(): Promise<string>;
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

function onlyFunction(text: string): ReturnType<typeof parse>["functions"][number] {
  const [func] = parse(text).functions;
  if (func === undefined) throw new Error("the module has no function");
  return func;
}

const received = ({ dtype, shape, data }: SentArray): HostArray => hostArray(dtype, shape, data);
const sent = (results: readonly HostArray[]): readonly SentArray[] => results.map(({ dtype, shape, data }) => ({ dtype, shape, data: Array.from(data) }));

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
  op: async (text, inputs) => sent(await Promise.all(runOp(onlyFunction(text), inputs.map(received).map(toTensor)).map(toHost))),
  opGradient: async (text, inputs, weights, wrt) => sent(await gradientOfOp(onlyFunction(text), inputs.map(received), received(weights), wrt)),
  train: (way, images, labels) => trainMnist({ init, step: way === "jit" ? jit(step) : step }, images, labels),
  async print() {
    const matrix = tensor([[1, -2.5], [4, 5]]);
    console.log("host", matrix);
    const moved = tensor([1, 2, 3]).mul(2);
    console.log("device", moved);
    const ended = tensor([1]);
    ended.dispose();
    console.log("ended", ended);
    console.log("long", tensor(Array.from({ length: 20 }, (_, i) => [i])));
    return moved.text();
  },
};
Object.assign(globalThis, { tsdlcPage: api });
