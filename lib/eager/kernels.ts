/**
 * Computations on a device: compiled when they are first run, and prepared once for each tuple of sizes.
 *
 * The compiler is the one of `tsdlc build`, for the one tier that the device is. On a machine without a C compiler there
 * are no kernels, and the reference interpreter does what they would.
 */

import { CompilerMissingError, type Device, DeviceError, type DeviceModule, type PreparedPlan, type Program } from "tsdlc-runtime";
import { planOf } from "tsdlc-runtime/library";
import { only, present } from "../../ir/expect.ts";
import { cpuTiers, cuda, type Limits, wgslTiers } from "../../passes/limits.ts";
import { compileModule } from "../compile.ts";
import { flatSignature } from "../flat-signature.ts";
import type { Computation } from "./computation.ts";
import { interpreted } from "./interpreted.ts";

interface Compiled {
  readonly program: Program;
  readonly module: DeviceModule;
}

/** How one computation runs on one device. */
interface Loaded {
  /** Undefined where nothing can compile it. */
  readonly compiled: Compiled | undefined;
  /** By sizes. */
  readonly plans: Map<string, PreparedPlan>;
  /** The last one that was asked for. */
  last: { readonly sizes: readonly number[]; readonly plan: PreparedPlan } | undefined;
}

/** Plans kept for each computation: a loop over ever new sizes must not grow for ever. */
const plansKept = 64;

const loaded = new WeakMap<Device, Map<Computation, Loaded>>();

/** What runs a computation at these sizes. Throws a DeviceError on a device that cannot compile while one waits. */
export function prepare(computation: Computation, sizes: readonly number[], device: Device): PreparedPlan {
  const here = loadedOn(device, computation);
  if (here.last !== undefined && isSame(here.last.sizes, sizes)) return here.last.plan;
  const plan = planAt(here, computation, sizes, device);
  here.last = { sizes, plan };
  return plan;
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
  const oldest = plans.keys().next().value;
  if (plans.size >= plansKept && oldest !== undefined) plans.delete(oldest);
  plans.set(key, plan);
  return plan;
}

function prepareCompiled({ program, module }: Compiled, sizes: readonly number[], device: Device): PreparedPlan {
  return module.prepare(program, planOf(program, sizes, device.alignment));
}

function loadedOn(device: Device, computation: Computation): Loaded {
  const all = loaded.get(device) ?? new Map<Computation, Loaded>();
  loaded.set(device, all);
  const known = all.get(computation);
  if (known !== undefined) return known;
  const made = { compiled: compile(device, computation), plans: new Map<string, PreparedPlan>(), last: undefined };
  all.set(computation, made);
  return made;
}

function compile(device: Device, { func, dims, donated }: Computation): Compiled | undefined {
  if (device.compileSync === undefined) {
    throw new DeviceError(`${device.name} cannot compile while a call waits, so ops do not run one by one there: open another device, or build the model with "npx tsdlc build"`);
  }
  const signature = present(flatSignature(func, "eager"), `@${func.name} is no function of tensors`);
  // Sizes come with each call, and what they must satisfy was looked at with them.
  const parameters = signature.parameters.map((parameter, i) => ({ ...parameter, donated: donated.has(i) }));
  const open = { ...signature, parameters, guards: [], dims: dims.map((name) => ({ name, min: 0, max: undefined })) };
  const { tiers, constants } = compileModule({ functions: [func] }, [open], { tiers: [tierOf(device).tier] });
  const { source: text, flags, programs } = only(tiers);
  try {
    const module = device.compileSync({ programs, text, flags, ...(constants === undefined ? {} : { constants }) });
    return { program: only(programs), module };
  } catch (error) {
    if (!(error instanceof CompilerMissingError)) throw error;
    warnOnce(error.message);
    return undefined;
  }
}

function tierOf(device: Device): Limits {
  const tiers = device.kind === "webgpu" ? wgslTiers : device.kind === "cuda" ? [cuda] : cpuTiers;
  const found = tiers.find(({ requires }) => requires.every((feature) => device.features.has(feature)));
  if (found === undefined) throw new DeviceError(`no tier of tsdlc is for this machine: it has ${[...device.features].join(", ") || "none of the CPU features that there are kernels for"}`);
  return found;
}

let hasWarned = false;

function warnOnce(reason: string): void {
  if (hasWarned) return;
  hasWarned = true;
  console.warn(`tsdlc: ops run in the reference interpreter, which is slow: ${reason}`);
}
