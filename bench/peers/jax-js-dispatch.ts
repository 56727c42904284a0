/**
 * jax-js as a peer of small ops, on WebAssembly. It puts ops off until somebody waits for them, so what is timed ends by
 * waiting for each result; an op whose result was dropped would not be run at all.
 */

import type { Contender } from "../alternate.ts";
import { installedVersion, installNodePeers, requirePeer } from "./install.ts";

/** What is used of @jax-js/jax; its types are only there after its installation. */
interface JaxJs {
  init(device: "wasm"): Promise<readonly string[]>;
  defaultDevice(device: "wasm"): string;
  jit<A extends readonly unknown[], R>(body: (...inputs: A) => R): (...inputs: A) => R;
  valueAndGrad(body: (weights: JaxArray[]) => JaxArray): (weights: JaxArray[]) => [JaxArray, JaxArray[]];
  readonly numpy: {
    array(data: Float32Array): JaxArray;
    zeros(shape: readonly number[]): JaxArray;
    matmul(a: JaxArray, b: JaxArray): JaxArray;
    mean(x: JaxArray): JaxArray;
  };
  readonly nn: { relu(x: JaxArray): JaxArray };
}

interface JaxArray {
  readonly ref: JaxArray;
  add(other: JaxArray): JaxArray;
  sub(other: JaxArray): JaxArray;
  mul(other: JaxArray | number): JaxArray;
  reshape(shape: readonly number[]): JaxArray;
  blockUntilReady(): Promise<JaxArray>;
  dispose(): void;
}

export interface JaxJsDispatch {
  readonly version: string;
  contender(work: string, count: number): Contender | undefined;
}

/** Why it is not there, or the peer. */
export async function openJaxJsDispatch(): Promise<JaxJsDispatch | string> {
  const problem = installNodePeers();
  if (problem !== undefined) return `jax-js: ${problem}`;
  const jax = requirePeer("@jax-js/jax") as JaxJs;
  if (!(await jax.init("wasm")).includes("wasm")) return "jax-js does not start on WebAssembly";
  jax.defaultDevice("wasm");
  const works: Readonly<Record<string, (count: number) => Promise<void>>> = { add: adds(jax), train: trains(jax), jit: jitted(jax) };
  return {
    version: installedVersion("@jax-js/jax") ?? "",
    contender(work, count) {
      const body = works[work];
      return body === undefined ? undefined : { name: "jax-js", run: () => body(count) };
    },
  };
}

async function waitFor(results: readonly JaxArray[]): Promise<void> {
  for (const result of results) (await result.blockUntilReady()).dispose();
}

function operands({ numpy }: JaxJs): readonly [JaxArray, JaxArray] {
  return [numpy.array(Float32Array.from({ length: 16 }, (_, i) => i)), numpy.array(new Float32Array(16).fill(1))];
}

function adds(jax: JaxJs): (count: number) => Promise<void> {
  const [x, y] = operands(jax);
  return (count) => waitFor(Array.from({ length: count }, () => x.ref.add(y.ref)));
}

function jitted(jax: JaxJs): (count: number) => Promise<void> {
  const [x, y] = operands(jax);
  const compiled = jax.jit((a: JaxArray, b: JaxArray) => a.add(b));
  return (count) => waitFor(Array.from({ length: count }, () => compiled(x.ref, y.ref)));
}

/** The network of eager.ts. */
function trains(jax: JaxJs): (count: number) => Promise<void> {
  const { numpy, nn } = jax;
  const inputs = numpy.array(new Float32Array(8 * 16).fill(0.1)).reshape([8, 16]);
  const targets = numpy.array(new Float32Array(8 * 4).fill(1)).reshape([8, 4]);
  const step = jax.valueAndGrad(([w1, b1, w2, b2]) => {
    const hidden = nn.relu(numpy.matmul(inputs.ref, present(w1)).add(present(b1)));
    const error = numpy.matmul(hidden, present(w2)).add(present(b2)).sub(targets.ref);
    return numpy.mean(error.ref.mul(error));
  });
  return async (count) => {
    let weights = [numpy.array(new Float32Array(16 * 32).fill(0.01)).reshape([16, 32]), numpy.zeros([32]), numpy.array(new Float32Array(32 * 4).fill(0.01)).reshape([32, 4]), numpy.zeros([4])];
    for (let i = 0; i < count; i++) {
      const [loss, gradients] = step(weights.map((weight) => weight.ref));
      loss.dispose();
      weights = weights.map((weight, k) => weight.sub(present(gradients[k]).mul(0.01)));
    }
    await waitFor(weights);
  };
}

function present<T>(item: T | undefined): T {
  if (item === undefined) throw new RangeError("the network has four weights");
  return item;
}
