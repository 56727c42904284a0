/**
 * Merge launches: kernels that do not wait for each other become one, each with blocks of its own.
 *
 * Needs: kernels of blocks, with barriers placed. Only kernels whose threads never wait are merged, those of maps: an
 * update of a whole tree of parameters is then one launch. A launch may move behind ops that do not use its results.
 * Ensures: a merged kernel binds no more buffers than the tier allows; what several parts read is bound once.
 *
 *   %a = launch %x {"callee": "f_0"}   %b = launch %y {"callee": "f_1"}   ->   %a, %b = launch %x, %y {"callee": "f_0"}
 *
 * where the blocks of @f_0 below the count of the first are the first's, and the others the second's.
 */

import { buildFunction, type Builder } from "../ir/builder.ts";
import { addDims, type Dim } from "../ir/dim.ts";
import { at } from "../ir/expect.ts";
import { findGrid, itemsOf } from "../ir/grid.ts";
import { type Func, isKernel, type Module, type Op, type Region, type Value, visitOps } from "../ir/module.ts";
import { functionsOf, inlineRegion, usedValues } from "../ir/rewrite.ts";
import type { Limits } from "./limits.ts";
import type { Pass } from "./pass.ts";
import { blocks } from "./schedule/simt/block.ts";

export const mergeLaunches: Pass = {
  name: "merge-launches",
  run: (module, { limits }) => (limits === undefined || limits.threads === 0 ? module : mergeModule(module, limits)),
};

/** More parts than this make a kernel whose text is long, for launches that cost little beside their work. */
const mostParts = 64;

function mergeModule(module: Module, limits: Limits): Module {
  const find = functionsOf(module);
  const merged = new Map<string, Func>();
  const kernelOf = (op: Op): Func => find(String(op.attrs["callee"])) ?? missing(op);
  const mergeRegion = (region: Region): Region => ({ ...region, ops: new Merging(limits, kernelOf, merged).run(region.ops.map((op) => ({ ...op, regions: op.regions.map(mergeRegion) }))) });
  const functions = module.functions.map((func) => (isKernel(func) ? func : { ...func, body: mergeRegion(func.body) }));
  const launched = new Set<string>();
  for (const { body } of functions) visitOps(body, ({ attrs: { callee } }) => void (typeof callee === "string" && launched.add(callee)));
  const parts = new Set(module.functions.filter((func) => isKernel(func) && !launched.has(func.name)));
  return { functions: functions.filter((func) => !parts.has(func)).map((func) => merged.get(func.name) ?? func) };
}

function missing(op: Op): never {
  throw new Error(`there is no kernel @${String(op.attrs["callee"])}`);
}

/** Launches that become one, where the last of them stands. */
class Merging {
  readonly #limits: Limits;
  readonly #kernelOf: (op: Op) => Func;
  readonly #merged: Map<string, Func>;
  readonly #done: Op[] = [];
  #parts: Op[] = [];

  constructor(limits: Limits, kernelOf: (op: Op) => Func, merged: Map<string, Func>) {
    this.#limits = limits;
    this.#kernelOf = kernelOf;
    this.#merged = merged;
  }

  run(ops: readonly Op[]): readonly Op[] {
    for (const op of ops) {
      if (this.#isUsedBy(op)) this.#flush();
      if (!this.#isPart(op)) {
        this.#done.push(op);
        continue;
      }
      if (!this.#fits(op)) this.#flush();
      this.#parts.push(op);
    }
    this.#flush();
    return this.#done;
  }

  #isUsedBy(op: Op): boolean {
    const made = new Set(this.#parts.flatMap(({ results }) => results));
    return made.size > 0 && usedValues(op).some((value) => made.has(value));
  }

  #isPart(op: Op): boolean {
    if (op.name !== "launch" || op.attrs["continues"] !== undefined) return false;
    let waits = false;
    visitOps(this.#kernelOf(op).body, ({ name }) => void (waits ||= name === "barrier" || name === "mma" || name === "shuffle_xor"));
    return !waits;
  }

  #fits(op: Op): boolean {
    const [first] = this.#parts;
    if (first === undefined) return true;
    const all = [...this.#parts, op];
    const buffers = new Set(all.flatMap(({ operands }) => operands)).size + all.flatMap(({ results }) => results).length;
    return all.length <= mostParts && buffers <= this.#limits.buffers && this.#threadsOf(first) === this.#threadsOf(op);
  }

  #threadsOf(op: Op): number {
    return Number(findGrid(this.#kernelOf(op)).attrs["threads"]);
  }

  #flush(): void {
    const parts = this.#parts;
    this.#parts = [];
    const [first, second] = parts;
    if (first === undefined) return;
    if (second === undefined) return void this.#done.push(first);
    const operands = [...new Set(parts.flatMap((part) => part.operands))];
    const kernel = mergeKernels(parts.map((part) => ({ kernel: this.#kernelOf(part), inputs: part.operands.map((operand) => operands.indexOf(operand)) })), operands.length, this.#threadsOf(first));
    this.#merged.set(kernel.name, kernel);
    const summary = [...new Set(parts.map(({ attrs }) => String(attrs["summary"] ?? attrs["callee"])))].join(", ");
    this.#done.push({ ...first, operands, results: parts.flatMap(({ results }) => results), attrs: { callee: kernel.name, summary } });
  }
}

interface Part {
  readonly kernel: Func;
  /** Positions of its inputs among those of the merged kernel. */
  readonly inputs: readonly number[];
}

/** One kernel under the name of the first. */
function mergeKernels(parts: readonly Part[], inputCount: number, threads: number): Func {
  const inputs = Array.from({ length: inputCount }, (_, position) => {
    const part = parts.find((candidate) => candidate.inputs.includes(position));
    return { name: `in${position}`, type: at(part?.kernel.body.parameters ?? [], part?.inputs.indexOf(position) ?? -1).type };
  });
  const outputs = parts.flatMap(({ kernel, inputs: own }) => kernel.body.parameters.slice(own.length)).map(({ type }, i) => ({ name: `out${i}`, type }));
  return buildFunction(at(parts, 0).kernel.name, [...inputs, ...outputs], (b, buffers) => {
    let nextOutput = inputCount;
    const bodies = parts.map(({ kernel, inputs: own }) => {
      const results = kernel.body.parameters.length - own.length;
      const mine = [...own.map((position) => at(buffers, position)), ...buffers.slice(nextOutput, nextOutput + results)];
      nextOutput += results;
      return bodyOf(b, kernel, mine);
    });
    const counts = parts.map(({ kernel }) => itemsOf(kernel));
    const work = addDims(0, ...parts.map(({ kernel }) => (findGrid(kernel).attrs["work"] as Dim | undefined) ?? 1));
    blocks(b, addDims(0, ...counts), threads, work, (block) => choose(b, block, counts, bodies));
    return [];
  });
}

/** What stands in front of a kernel's grid, built here; and the grid's body, for a block of it. */
function bodyOf(b: Builder, kernel: Func, buffers: readonly Value[]): (block: Value) => void {
  const grid = findGrid(kernel);
  let body: ((block: Value) => void) | undefined;
  inlineRegion(b, kernel.body, buffers, (_b, op, _operands, rewriter) => {
    if (op !== grid) return undefined;
    body = (block) => void rewriter.inline(at(grid.regions, 0), [block]);
    return [];
  });
  return body ?? (() => undefined);
}

/** The part that a block belongs to, by the counts of those before it. */
function choose(b: Builder, block: Value, [count, ...counts]: readonly Dim[], [body, ...bodies]: readonly ((block: Value) => void)[]): void {
  if (count === undefined || body === undefined) return;
  if (counts.length === 0) return body(block);
  const limit = b.index(count);
  b.if(b.lt(block, limit), {}, [
    b.region([], () => (body(block), [])),
    b.region([], () => (choose(b, b.sub(block, limit), counts, bodies), [])),
  ]);
}
