/**
 * Kernel sets: computations that are compiled together, into one text and one module, and kept on the disk so.
 *
 * A compiler's start costs more than the kernels of most ops, so what is new is compiled in one run where it can be, and
 * what was compiled once is not compiled by the next process. On the disk a computation is a reference: which set, and
 * which of its Programs. Its name is a hash of its text, the tier, and the compiler itself.
 */

import { type Device, DeviceError, type DeviceModule, type Program } from "tsdlc-runtime";
import type { ProgramText } from "tsdlc-runtime/library";
import { at, only, present } from "../../ir/expect.ts";
import type { Func } from "../../ir/module.ts";
import type { Signature } from "../../ir/signature.ts";
import { cpuTiers, cuda, type Limits, wgslTiers } from "../../passes/limits.ts";
import { compileModule } from "../compile.ts";
import { flatSignature } from "../flat-signature.ts";
import { type Computation, textOf } from "./computation.ts";
import { keep, kept, keptName } from "./host.ts";
import { LruMap } from "./lru-map.ts";

export interface Compiled {
  readonly program: Program;
  readonly module: DeviceModule;
}

/** A set whose kernels are text still. */
export interface KernelSet {
  readonly computations: readonly Computation[];
  readonly source: ProgramText;
}

/** Runs the passes for all of them. Throws a DeviceError on a device that cannot compile while one waits. */
export function makeKernelSet(computations: readonly Computation[], device: Device): KernelSet {
  requireCompiler(device);
  const names = new Set<string>();
  const functions = computations.map(({ func }) => ({ ...func, name: unusedName(func.name, names) }));
  const signatures = functions.map((func, i) => signatureOf(func, at(computations, i)));
  const { tiers, constants } = compileModule({ functions }, signatures, { tiers: [tierOf(device).tier] });
  const { source: text, flags, programs } = only(tiers);
  // Messages call a computation by its own name; the other one keeps its kernels apart.
  const named = programs.map((program, i) => ({ ...program, name: at(computations, i).func.name }));
  return { computations, source: { programs: named, text, flags, ...(constants === undefined ? {} : { constants }) } };
}

/** Makes kernels of the text. Throws CompileError or CompilerMissingError. */
export function openKernelSet({ computations, source }: KernelSet, device: Device): readonly Compiled[] {
  const module = requireCompiler(device)(source);
  keepKernelSet(computations, source, tierOf(device));
  return source.programs.map((program) => ({ program, module }));
}

function unusedName(name: string, names: Set<string>): string {
  let unused = name;
  for (let i = 1; names.has(unused); i++) unused = `${name}_s${i}`;
  names.add(unused);
  return unused;
}

function signatureOf(func: Func, { dims, donated }: Computation): Signature {
  const signature = present(flatSignature(func, "eager"), `@${func.name} is no function of tensors`);
  // Sizes come with each call, and what they must satisfy was looked at with them.
  const parameters = signature.parameters.map((parameter, i) => ({ ...parameter, donated: donated.has(i) }));
  return { ...signature, parameters, guards: [], dims: dims.map((name) => ({ name, min: 0, max: undefined })) };
}

function requireCompiler(device: Device): (source: ProgramText) => DeviceModule {
  const { compileSync } = device;
  if (compileSync === undefined) {
    throw new DeviceError(`${device.name} cannot compile while a call waits, so ops do not run one by one there: open another device, or build the model with "npx tsdlc build"`);
  }
  return (source) => compileSync.call(device, source);
}

function tierOf(device: Device): Limits {
  const tiers = device.kind === "webgpu" ? wgslTiers : device.kind === "cuda" ? [cuda] : cpuTiers;
  const found = tiers.find(({ requires }) => requires.every((feature) => device.features.has(feature)));
  if (found === undefined) throw new DeviceError(`no tier of tsdlc is for this machine: it has ${[...device.features].join(", ") || "none of the CPU features that there are kernels for"}`);
  return found;
}

/* ---------------------------------------------------------------- on the disk */

/** Where a computation is in what is kept. */
interface Reference {
  /** The name of the set. */
  readonly set: string;
  readonly position: number;
}

/** A ProgramText as JSON. */
interface KeptText {
  readonly programs: readonly Program[];
  readonly text: string;
  readonly flags: readonly string[];
  /** In base64. */
  readonly constants?: string;
}

function nameOfComputation(text: string, tier: string): string {
  return keptName(["computation", tier, text]);
}

function keepKernelSet(computations: readonly Computation[], { programs, text, flags, constants }: ProgramText, { tier }: Limits): void {
  const whole: KeptText = { programs, text, flags, ...(constants === undefined ? {} : { constants: toBase64(constants) }) };
  const texts = computations.map(textOf);
  const set = keptName(["set", tier, ...texts]);
  keep(set, JSON.stringify(whole));
  texts.forEach((own, position) => keep(nameOfComputation(own, tier), JSON.stringify({ set, position } satisfies Reference)));
}

/** Sets that were opened of late, for the next of their computations; a module stays as long as one of them is there. */
const opened = new WeakMap<Device, LruMap<string, { readonly programs: readonly Program[]; readonly module: WeakRef<DeviceModule> }>>();
const setsKept = 32;

/** What an earlier process compiled; undefined where there is nothing. Throws CompileError or CompilerMissingError. */
export function openKept(computation: Computation, device: Device): Compiled | undefined {
  const { tier } = tierOf(device);
  const found = kept(nameOfComputation(textOf(computation), tier));
  if (found === undefined) return undefined;
  const { set, position } = JSON.parse(found) as Reference;
  const here = opened.get(device) ?? new LruMap(setsKept);
  opened.set(device, here);
  const known = here.get(set);
  const module = known?.module.deref();
  if (known !== undefined && module !== undefined) return { program: at(known.programs, position), module };
  const text = kept(set);
  if (text === undefined) return undefined;
  const { constants, ...source } = JSON.parse(text) as KeptText;
  const made = requireCompiler(device)({ ...source, ...(constants === undefined ? {} : { constants: fromBase64(constants) }) });
  here.set(set, { programs: source.programs, module: new WeakRef(made) });
  return { program: at(source.programs, position), module: made };
}

function toBase64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
