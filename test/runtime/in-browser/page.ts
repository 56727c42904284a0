/**
 * The page of ../browser.test.ts: the runtime's sources as Vite serves them, and what the test asks of them. Tensors
 * travel as { dtype, shape, data } with numbers.
 */

import { type DTypeName, device, type Functions, loadPrograms, type Program, Tensor, tensor } from "../../../runtime/index.ts";

export interface SentTensor {
  readonly dtype: DTypeName;
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

export interface PageApi {
  /** What the device is called, and its features. */
  open(): Promise<{ readonly name: string; readonly features: readonly string[] }>;
  load(source: { readonly programs: readonly Program[]; readonly text: string; readonly constants?: readonly number[] }): Promise<void>;
  /** The results of calls, in order; an error as its name and message. */
  call(calls: readonly { readonly name: string; readonly args: readonly unknown[] }[]): Promise<readonly unknown[]>;
}

let functions: Functions = {};

const api: PageApi = {
  async open() {
    const { name, features } = await device("webgpu");
    return { name, features: [...features] };
  },
  async load({ programs, text, constants }) {
    const code = { path: "kernels.wgsl", read: async () => new TextEncoder().encode(text) };
    functions = { ...functions, ...(await loadPrograms({ programs, code, ...(constants === undefined ? {} : { constants: Uint8Array.from(constants) }) })) };
  },
  async call(calls) {
    // All are queued before the first result is read.
    const results = calls.map(({ name, args }) => {
      try {
        return functions[name]?.(...args.map(receive)) as unknown;
      } catch (error) {
        return error;
      }
    });
    const sent: unknown[] = [];
    for (const result of results) sent.push(await send(result));
    return sent;
  },
};

function receive(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if ("dtype" in value && "data" in value) {
    const { dtype, shape, data } = value as SentTensor;
    return tensor([...data], [...shape], dtype);
  }
  return Array.isArray(value) ? value.map(receive) : Object.fromEntries(Object.entries(value).map(([name, part]) => [name, receive(part)]));
}

async function send(value: unknown): Promise<unknown> {
  if (value instanceof Error) return { error: `${value.name}: ${value.message}` };
  if (value instanceof Tensor) return value.data().then((data) => ({ dtype: value.dtype, shape: [...value.shape], data: Array.from(data, Number) }), send);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return Promise.all(value.map(send));
  return Object.fromEntries(await Promise.all(Object.entries(value).map(async ([name, part]) => [name, await send(part)] as const)));
}

Object.assign(globalThis, { tsdlcPage: api });
