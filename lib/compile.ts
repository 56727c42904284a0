/**
 * From a module to Programs: the whole road after the frontend, the same for `tsdlc build` and `tsdlc run`.
 *
 * Pure: it returns kernel texts, and whoever called it runs a C compiler on them or hands them to a driver.
 */

import { cTarget } from "../codegen/c.ts";
import { cudaTarget } from "../codegen/cuda.ts";
import { emitFile } from "../codegen/emit.ts";
import { kernelsInPlace, writeProgram } from "../codegen/program.ts";
import type { Target } from "../codegen/target.ts";
import { wgslTarget } from "../codegen/wgsl.ts";
import { findFunction, type Module } from "../ir/module.ts";
import type { Signature } from "../ir/signature.ts";
import { chooseTiers, isNeedless } from "../passes/choose-tiers.ts";
import { ConstantPool } from "../passes/constant-pool.ts";
import { fitSignature } from "../passes/fit-dtypes.ts";
import { findLimits, type Limits } from "../passes/limits.ts";
import { fusionPipeline, type Observer, runPasses, tensorPipeline, tierPipeline } from "../passes/pipeline.ts";
import { planMemory } from "../passes/plan-memory.ts";
import type { Program } from "tsdlc-runtime/program";

/** All functions for one kind of machine. */
export interface CompiledTier {
  /** "cpu-x86-64-v4". */
  readonly name: string;
  readonly target: "cpu" | "cuda" | "wgsl";
  /** CPU features that the machine must have, as the runtime spells them. */
  readonly requires: readonly string[];
  /** The kernels of all functions, in the target's language. */
  readonly source: string;
  /** What the C compiler is given besides the file names. */
  readonly flags: readonly string[];
  readonly programs: readonly Program[];
  /** The module that the source is a print of. */
  readonly module: Module;
}

export interface Compilation {
  readonly tiers: readonly CompiledTier[];
  /** Bytes of the constants that Programs refer to by offset; undefined when there are none. */
  readonly constants: Uint8Array | undefined;
}

export interface CompileOptions {
  /** Names of tiers, see passes/limits.ts. Of one target, those that `chooseTiers` finds useful are compiled. */
  readonly tiers: readonly string[];
  readonly observe?: Observer;
}

/**
 * The functions that signatures name, compiled for each tier. Throws a PassError that carries a reproducer when a
 * pass fails, and a MissingDTypeError when no tier of a target has the dtypes of the module.
 */
export function compileModule(module: Module, signatures: readonly Signature[], options: CompileOptions): Compilation {
  const constants = new ConstantPool();
  return { tiers: [...compileTiers(module, signatures, constants, options)], constants: constants.bytes };
}

/** The same one tier at a time, for callers that have a use for the first while the next is made. */
export function* compileTiers(module: Module, signatures: readonly Signature[], constants: ConstantPool, options: CompileOptions): Generator<CompiledTier, void> {
  const entries = signatures.map(({ name }) => name);
  const precisions = new Map(signatures.flatMap(({ name, precision }) => (precision === undefined ? [] : [[name, precision] as const])));
  const simplified = runPasses(module, tensorPipeline, { entries, precisions }, options.observe);
  const fused = new Map<string, Module>();
  const chosen = chooseTiers(simplified, signatures, options.tiers.map(findLimits));
  for (const limits of chosen) {
    // Tiers that differ in lanes alone have the same kernels up to schedule.
    const key = [limits.buffers, limits.scratchBytes, ...limits.dtypes].join(" ");
    const lowered = fused.get(key) ?? runPasses(simplified, fusionPipeline, { entries, limits }, options.observe);
    fused.set(key, lowered);
    const scheduled = runPasses(lowered, tierPipeline, { entries, limits }, options.observe);
    if (isNeedless(scheduled, limits, chosen)) continue;
    yield writeTier(scheduled, signatures.map((signature) => fitSignature(signature, limits)), limits, constants);
  }
}

function writeTier(scheduled: Module, signatures: readonly Signature[], limits: Limits, constants: ConstantPool): CompiledTier {
  const programs = signatures.map((signature) => {
    const plan = planMemory(scheduled, findFunction(scheduled, signature.name), donatedLeaves(signature), constants);
    return writeProgram(scheduled, signature, plan);
  });
  const kernels = programs.flatMap((program) => {
    const inPlace = kernelsInPlace(program);
    return program.kernels.map(({ entry, summary, sources }) => ({
      func: findFunction(scheduled, entry),
      dims: program.dims.map(({ name }) => name),
      comment: [summary, ...sources],
      isInPlace: inPlace.has(entry),
    }));
  });
  const { tier, target, requires, flags } = limits;
  return { name: tier, target, requires, flags, source: emitFile(targetOf(limits), kernels), programs, module: scheduled };
}

function targetOf(limits: Limits): Target {
  switch (limits.target) {
    case "cpu": return cTarget;
    case "wgsl": return wgslTarget;
    case "cuda": return cudaTarget;
  }
}

/** Positions among the leaves of all parameters. */
function donatedLeaves(signature: Signature): ReadonlySet<number> {
  const donated = new Set<number>();
  let leaf = 0;
  for (const parameter of signature.parameters) {
    const count = leafCount(parameter.tree);
    if (parameter.donated) for (let i = 0; i < count; i++) donated.add(leaf + i);
    leaf += count;
  }
  return donated;
}

function leafCount(tree: Signature["result"]): number {
  switch (tree.kind) {
    case "tensor":
    case "number": return 1;
    case "array": return tree.items.reduce((sum, item) => sum + leafCount(item), 0);
    case "object": return tree.fields.reduce((sum, field) => sum + leafCount(field.tree), 0);
  }
}
