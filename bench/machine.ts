/**
 * What every table starts from: the tier of this machine, devices of one and of two threads, and models compiled for
 * that tier by the compiler's own road, so that a number is what a user of a built package gets.
 */

import { join } from "node:path";
import { compileSource } from "../compiler/frontend/compile-source.ts";
import { compileModule } from "../lib/compile.ts";
import { cpuTiers, type Limits } from "../passes/limits.ts";
import { bindPrograms, type CodeFile, type Device, type ProgramSource, tensor, Tensor } from "tsdlc-runtime";
import { createCpuDevice } from "tsdlc-runtime/cpu";
import { codeFile, compileText } from "tsdlc-runtime/toolchain";

export const threadCounts = [1, 2] as const;
export type Threads = (typeof threadCounts)[number];

export interface Machine {
  readonly limits: Limits;
  readonly devices: Readonly<Record<Threads, Device>>;
  readonly quick: boolean;
  /** Sizes that software can afford: to see that a table works, on a stand-in for its device. */
  readonly small: boolean;
  /** Keeps what a table measured as data, for a file of JSON. */
  record(measurement: object): void;
}

export interface MachineOptions {
  readonly quick: boolean;
  readonly small: boolean;
  record(measurement: object): void;
}

export function openMachine(options: MachineOptions): Machine {
  const devices = { 1: createCpuDevice({ threads: 1 }), 2: createCpuDevice({ threads: 2 }) };
  const limits = cpuTiers.find(({ requires }) => requires.every((feature) => devices[1].features.has(feature)));
  if (limits === undefined) throw new Error("no tier of the compiler runs on this machine's processor");
  return { limits, devices, ...options };
}

/** The model functions of a file in bench/models, compiled but on no device yet. */
export async function compileModels(file: string, { limits }: Machine): Promise<ProgramSource> {
  return compileFor(limits.tier, join(import.meta.dirname, "models", file));
}

/** The model functions of a file, for a tier; kernels of a GPU as text, for its device to compile. */
export async function compileFor(tier: string, path: string): Promise<ProgramSource> {
  const { module, signatures } = compileSource([path]);
  const { tiers: [compiled], constants } = compileModule(module, signatures, { tiers: [tier] });
  if (compiled === undefined) throw new Error(`nothing was compiled for ${tier}`);
  const { target, source, flags } = compiled;
  const code: CodeFile = target === "cpu" ? codeFile(await compileText(source, flags)) : { path: `${tier}.${target === "cuda" ? "cu" : target}`, read: async () => new TextEncoder().encode(source) };
  return { programs: compiled.programs, code, ...(constants === undefined ? {} : { constants }) };
}

/** One function on one device, its arguments brought there; a call resolves when its result is there too. */
export interface BoundCall {
  run(): Promise<void>;
  result(): Promise<Float32Array>;
}

export async function bind(source: ProgramSource, name: string, device: Device, inputs: readonly HostInput[]): Promise<BoundCall> {
  const call = (await bindPrograms(source, device))[name];
  if (call === undefined) throw new RangeError(`there is no function ${name}`);
  const handles = inputs.map(({ data, shape }) => tensor(data, shape));
  return {
    async run() {
      const result = call(...handles) as Tensor;
      await device.sync();
      // The next call gets this memory again, as a program that does not hoard results does.
      result.dispose();
    },
    async result() {
      using result = call(...handles) as Tensor;
      return (await result.data()) as Float32Array;
    },
  };
}

export interface HostInput {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/** Numbers from -1.4 to 1.4 in no simple order. */
export function hostInput(shape: readonly number[]): HostInput {
  const data = new Float32Array(shape.reduce((product, size) => product * size, 1));
  for (let i = 0; i < data.length; i++) data[i] = ((Math.imul(i, 40503) >>> 3) % 2001) / 700 - 1.43;
  return { data, shape };
}

/** Throws when two contenders do not compute the same thing: then their times say nothing. */
export function requireAgreement(what: string, ours: Float32Array, theirs: Float32Array, tolerance: number): void {
  if (ours.length !== theirs.length) throw new Error(`${what}: ours has ${ours.length} elements, theirs ${theirs.length}`);
  for (let i = 0; i < ours.length; i++) {
    const [a = Number.NaN, b = Number.NaN] = [ours[i], theirs[i]];
    if (!(Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b)))) throw new Error(`${what}: element ${i} is ${a} for us and ${b} for them`);
  }
}
