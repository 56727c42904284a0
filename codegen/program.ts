/**
 * Writes Programs: a planned function and its signature as the plain data that the runtime reads.
 */

import { type Dim, foldDim } from "../ir/dim.ts";
import { findGrid, itemsOf } from "../ir/grid.ts";
import { findFunction, type Func, type Module, type Op, visitOps } from "../ir/module.ts";
import type { MemoryPlan, PlannedBuffer, PlannedStep } from "../ir/plan.ts";
import { storedBuffers } from "../ir/rewrite.ts";
import type { Signature, SignatureTree } from "../ir/signature.ts";
import type { BufferSpec, Formula, KernelSpec, Program, Step, Tree } from "tsdlc-runtime/program";

export function writeProgram(module: Module, signature: Signature, plan: MemoryPlan): Program {
  const kernels: KernelSpec[] = [];
  const positions = new Map<string, number>();
  const summaries = summariesOf(findFunction(module, signature.name));
  const kernelPosition = (name: string): number => {
    const known = positions.get(name);
    if (known !== undefined) return known;
    positions.set(name, kernels.length);
    kernels.push(writeKernel(findFunction(module, name), summaries.get(name) ?? name));
    return kernels.length - 1;
  };
  return {
    format: "tsdlc-program",
    version: 1,
    name: signature.name,
    dims: signature.dims.map(({ name, min, max }) => ({ name, min, ...(max === undefined ? {} : { max }) })),
    parameters: signature.parameters.map(({ name, tree, donated }) => ({ name, tree: writeTree(tree), donated })),
    result: writeTree(signature.result),
    guards: signature.guards.map(({ left, relation, right, reason }) => ({ left: writeFormula(left), relation, right: writeFormula(right), reason })),
    buffers: plan.buffers.map(writeBuffer),
    ...(plan.stacks.length === 0 ? {} : { stacks: plan.stacks.map(({ dtype, shape }) => ({ dtype, shape: shape.map(writeFormula) })) }),
    steps: plan.steps.map((step) => writeStep(step, kernelPosition)),
    kernels,
    resultBuffers: plan.results,
    mutations: signature.mutations.map(({ path }, i) => ({ path, result: plan.results.length - signature.mutations.length + i })),
  };
}

function writeBuffer({ type, role }: PlannedBuffer): BufferSpec {
  const shape = type.shape.map(writeFormula);
  if (role.kind !== "result") return { dtype: type.dtype, shape, role };
  return { dtype: type.dtype, shape, role: role.reuses === undefined ? { kind: "result" } : { kind: "result", reuses: role.reuses } };
}

function writeStep(step: PlannedStep, kernel: (name: string) => number): Step {
  switch (step.kind) {
    case "launch": return { kind: "launch", kernel: kernel(step.kernel), buffers: step.buffers };
    case "copy":
    case "push":
    case "pop":
    case "clear": return step;
    case "if":
      return { ...step, then: step.then.map((inner) => writeStep(inner, kernel)), otherwise: step.otherwise.map((inner) => writeStep(inner, kernel)) };
    case "repeat":
      return { ...step, body: step.body.map((inner) => writeStep(inner, kernel)) };
    case "loop":
      return { ...step, head: step.head.map((inner) => writeStep(inner, kernel)), body: step.body.map((inner) => writeStep(inner, kernel)) };
  }
}

function writeKernel(func: Func, summary: string): KernelSpec {
  const grid = findGrid(func);
  return {
    entry: func.name,
    grid: writeFormula(itemsOf(func)),
    ...blocksOf(func, grid),
    work: writeFormula((grid.attrs["work"] as Dim | undefined) ?? 1),
    sources: sourcesOf(func),
    summary,
  };
}

/** Where items are blocks: their threads, and how many of the buffers are only read. */
function blocksOf(func: Func, { attrs: { threads } }: Op): Pick<KernelSpec, "threads" | "inputs"> {
  if (typeof threads !== "number") return {};
  const stored = storedBuffers(func);
  return { threads, inputs: func.body.parameters.filter((parameter) => !stored.has(parameter)).length };
}

/** The distinct source lines of a kernel, the innermost frame of each op. */
function sourcesOf(func: Func): readonly string[] {
  const sources = new Set<string>();
  visitOps(func.body, ({ spans: [span] }) => {
    if (span !== undefined) sources.add(`${span.file}:${span.line}:${span.column}`);
  });
  return [...sources];
}

/** What the launches of each kernel say of it. */
function summariesOf(func: Func): ReadonlyMap<string, string> {
  const summaries = new Map<string, string>();
  visitOps(func.body, ({ name, attrs }) => {
    if (name === "launch") summaries.set(String(attrs["callee"]), String(attrs["summary"] ?? attrs["callee"]));
  });
  return summaries;
}

/** Entries of kernels that write a result over the memory of a donated parameter which they read. */
export function kernelsInPlace({ buffers, kernels, steps }: Program): ReadonlySet<string> {
  const found = new Set<string>();
  const visit = (step: Step): void => {
    switch (step.kind) {
      case "launch": {
        const roles = step.buffers.map((buffer) => buffers[buffer]?.role);
        const taken = roles.flatMap((role) => (role?.kind === "result" && role.reuses !== undefined ? [role.reuses] : []));
        const entry = kernels[step.kernel]?.entry;
        if (entry !== undefined && roles.some((role) => role?.kind === "parameter" && taken.includes(role.leaf))) found.add(entry);
        break;
      }
      case "copy":
      case "push":
      case "pop":
      case "clear":
        break;
      case "if": return [...step.then, ...step.otherwise].forEach(visit);
      case "repeat": return step.body.forEach(visit);
      case "loop": return [...step.head, ...step.body].forEach(visit);
      default: step satisfies never;
    }
  };
  steps.forEach(visit);
  return found;
}

function writeTree(tree: SignatureTree): Tree {
  switch (tree.kind) {
    case "tensor": return { kind: "tensor", dtype: tree.type.dtype, shape: tree.type.shape.map(writeFormula) };
    case "number": return { kind: "number", dtype: tree.type.dtype };
    case "array": return { kind: "array", items: tree.items.map(writeTree) };
    case "object": return { kind: "object", fields: tree.fields.map(({ name, tree: field }) => [name, writeTree(field)] as const) };
  }
}

export function writeFormula(dim: Dim): Formula {
  return foldDim<Formula>(dim, {
    constant: (value) => value,
    name: (name) => name,
    sum: (parts) => ["+", ...parts],
    product: (parts) => ["*", ...parts],
    operation: (operation, left, right) => [operation, left, right],
  });
}
