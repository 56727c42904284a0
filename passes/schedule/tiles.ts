/**
 * Rebuilds the kernel of a contraction around its tiles, and beside it the kernel that packs the right operand, if
 * there is one. Both take the kernel's inputs; the copy is the last result of the one and the last input of the other.
 */

import { type Builder, buildFunction } from "../../ir/builder.ts";
import type { Func, Value } from "../../ir/module.ts";
import type { ContractAttrs } from "../../ir/ops/kernel.ts";
import { inlineRegion, storedBuffers, withOuter } from "../../ir/rewrite.ts";
import type { Tile } from "./choose-tile.ts";
import { type ContractionParts, partsOf } from "./contract.ts";
import { packedType, packRight } from "./pack.ts";
import { tileContraction } from "./tile-contraction.ts";

export interface ScheduledKernel {
  /** Kernels that run first; each makes one buffer, which is an input of the main one, after its others. */
  readonly preparations: readonly Func[];
  readonly main: Func;
  /** Kernels that go on where the main one ends, over the same results. */
  readonly continuations?: readonly Func[];
}

type ScheduleParts = (b: Builder, parts: ContractionParts, packed: Value | undefined) => void;

/** `expand` finishes a kernel: what its hooks brought along becomes loops. */
export function scheduleTiles(func: Func, parts: ContractionParts, tile: Tile, expand: (scheduled: Func) => Func): ScheduledKernel {
  const parameters = func.body.parameters.map(({ type }, i) => ({ name: func.parameterNames[i] ?? `buffer${i}`, type }));
  const stored = storedBuffers(func);
  const inputs = parameters.filter((_, i) => !stored.has(func.body.parameters[i] as Value));
  const outputs = parameters.slice(inputs.length);
  const copy = { name: "packed", type: packedType(parts, tile) };
  const build = (name: string, isWithCopy: boolean, schedule: ScheduleParts): Func => {
    const all = isWithCopy ? [...inputs, copy, ...outputs] : parameters;
    return expand(buildFunction(name, all, (b, buffers) => {
      const packed = isWithCopy ? buffers[inputs.length] : undefined;
      const own = buffers.filter((buffer) => buffer !== packed);
      return inlineRegion(b, func.body, own, (_b, op, _operands, rewriter) => {
        if (op.name !== "contract") return undefined;
        const regions = op.regions.map((region) => withOuter(region, rewriter.value));
        schedule(b, partsOf(op.attrs as ContractAttrs, regions), packed);
        return [];
      });
    }));
  };
  const main = build(func.name, tile.isPacked, (b, inner, packed) => tileContraction(b, inner, tile, packed));
  if (!tile.isPacked) return { preparations: [], main };
  const pack = build(`${func.name}_pack`, true, (b, inner, packed) => {
    if (packed !== undefined) packRight(b, inner, tile, packed);
  });
  return { preparations: [pack], main };
}
