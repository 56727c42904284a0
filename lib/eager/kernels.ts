/**
 * Computations on a device: compiled, or found compiled, when they are first run, and prepared once for each tuple of
 * sizes.
 *
 * The compiler is the one of `tsdlc build`, for the one tier that the device is. On a machine without a C compiler there
 * are no kernels, and the reference interpreter does what they would. What is known of a computation goes with it, and a
 * computation goes when no call and no jitted function has it any more.
 */

import { CompilerMissingError, type Device, type PreparedPlan } from "tsdlc-runtime";
import { planOf } from "tsdlc-runtime/library";
import type { Computation } from "./computation.ts";
import { interpreted } from "./interpreted.ts";
import { type Compiled, type KernelSet, makeKernelSet, openKernelSet, openKept } from "./kernel-set.ts";
import { LruMap } from "./lru-map.ts";

/** How one computation runs on one device. */
interface Loaded {
  /** Undefined where nothing can compile it. */
  readonly compiled: Compiled | undefined;
  /** By sizes. */
  readonly plans: LruMap<string, PreparedPlan>;
  /** The last one that was asked for. */
  last: { readonly sizes: readonly number[]; readonly plan: PreparedPlan } | undefined;
}

/** Plans kept for each computation: a loop over ever new sizes must not grow for ever. */
const plansKept = 64;

/** What is known of a device. */
interface Kernels {
  readonly loaded: WeakMap<Computation, Loaded>;
  /** Whether it turned out that nothing can compile. */
  isWithoutCompiler: boolean;
}

const devices = new WeakMap<Device, Kernels>();

function kernelsOf(device: Device): Kernels {
  const known = devices.get(device) ?? { loaded: new WeakMap<Computation, Loaded>(), isWithoutCompiler: false };
  devices.set(device, known);
  return known;
}

/** What runs a computation at these sizes. Throws a DeviceError on a device that cannot compile while one waits. */
export function prepare(computation: Computation, sizes: readonly number[], device: Device): PreparedPlan {
  const here = loadedOn(device, computation) ?? load(device, computation, () => openAlone(device, computation));
  if (here.last !== undefined && isSame(here.last.sizes, sizes)) return here.last.plan;
  const plan = planAt(here, computation, sizes, device);
  here.last = { sizes, plan };
  return plan;
}

/** Whether `prepare` would have to wait for a compiler, of which another computation could make use as well. */
export function needsCompiler(computation: Computation, device: Device): boolean {
  return device.compilers !== undefined && loadedOn(device, computation) === undefined;
}

/** Compiles what is not compiled yet, all that one compiler gets in one run; what cannot be compiled, `prepare` says. */
export function compileTogether(computations: readonly Computation[], device: Device): void {
  const missing = [...new Set(computations)].filter((computation) => needsCompiler(computation, device));
  if (missing.length < 2) return;
  const compilers = Math.min(device.compilers ?? 1, Math.ceil(missing.length / fewest));
  try {
    const sets = shared(missing, compilers).map((part) => makeKernelSet(part, device));
    device.compileAhead?.(sets.map(({ source }) => source));
    for (const set of sets) loadSet(device, set);
  } catch (error) {
    // Alone, each computation has its own error; without a compiler all of them have the same.
    if (error instanceof CompilerMissingError) withoutCompiler(device, error);
  }
}

/** Computations for which one more compiler is worth starting. */
const fewest = 4;

function loadSet(device: Device, set: KernelSet): void {
  const compiled = openKernelSet(set, device);
  set.computations.forEach((computation, i) => load(device, computation, () => compiled[i]));
}

/** In parts that take about as long to compile. */
function shared(computations: readonly Computation[], parts: number): readonly (readonly Computation[])[] {
  const lists = Array.from({ length: parts }, () => ({ work: 0, computations: [] as Computation[] }));
  const ordered = computations.map((computation) => ({ computation, work: workOf(computation) })).sort((one, other) => other.work - one.work);
  for (const { computation, work } of ordered) {
    const least = lists.reduce((one, other) => (other.work < one.work ? other : one));
    least.work += work;
    least.computations.push(computation);
  }
  return lists.map((list) => list.computations);
}

/** In units of an op; a product becomes as many lines of C as thirty of others. */
function workOf({ func }: Computation): number {
  return func.body.ops.reduce((work, { name }) => work + (name === "dot_general" ? 30 : 1), 1);
}

/** What this process has, or an earlier one kept; undefined where a compiler must make it. */
function loadedOn(device: Device, computation: Computation): Loaded | undefined {
  const { loaded, isWithoutCompiler } = kernelsOf(device);
  const known = loaded.get(computation);
  if (known !== undefined) return known;
  if (isWithoutCompiler) return load(device, computation, () => undefined);
  const compiled = unlessMissing(device, () => openKept(computation, device));
  return compiled === undefined ? undefined : load(device, computation, () => compiled);
}

function load(device: Device, computation: Computation, open: () => Compiled | undefined): Loaded {
  const made: Loaded = { compiled: open(), plans: new LruMap(plansKept), last: undefined };
  kernelsOf(device).loaded.set(computation, made);
  return made;
}

function openAlone(device: Device, computation: Computation): Compiled | undefined {
  return unlessMissing(device, () => openKernelSet(makeKernelSet([computation], device), device)[0]);
}

function unlessMissing<T>(device: Device, open: () => T): T | undefined {
  try {
    return open();
  } catch (error) {
    if (!(error instanceof CompilerMissingError)) throw error;
    withoutCompiler(device, error);
    return undefined;
  }
}

function isSame(left: readonly number[], right: readonly number[]): boolean {
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false;
  return true;
}

function planAt({ compiled, plans }: Loaded, computation: Computation, sizes: readonly number[], device: Device): PreparedPlan {
  const key = sizes.join();
  const known = plans.get(key);
  if (known !== undefined) return known;
  const plan = compiled === undefined ? interpreted(computation, sizes, device) : prepareCompiled(compiled, sizes, device);
  plans.set(key, plan);
  return plan;
}

function prepareCompiled({ program, module }: Compiled, sizes: readonly number[], device: Device): PreparedPlan {
  return module.prepare(program, planOf(program, sizes, device.alignment));
}

let hasWarned = false;

function withoutCompiler(device: Device, { message }: CompilerMissingError): void {
  kernelsOf(device).isWithoutCompiler = true;
  if (hasWarned) return;
  hasWarned = true;
  console.warn(`tsdlc: ops run in the reference interpreter, which is slow: ${message}`);
}
