/**
 * Long sums of few results in two kernels. A block has one multiprocessor at the most, so a sum over a million elements
 * by one block leaves a device idle: a first kernel makes partial totals of stretches, each by a block of its own, and
 * the main kernel folds those as if they were the elements. Only for sizes that are known: named ones are taken to be
 * moderate, and a kernel more has its price too.
 *
 *   total(i) = fold over p < P of element(i, p)
 *   part(i, s) = fold over p < P / S of element(i, s * P / S + p);  total(i) = fold over s < S of part(i, s)
 */

import { type Builder, buildFunction } from "../../../ir/builder.ts";
import { type Dim, mulDims } from "../../../ir/dim.ts";
import { at, only } from "../../../ir/expect.ts";
import type { Func, Op, Value } from "../../../ir/module.ts";
import type { ContractAttrs } from "../../../ir/ops/kernel.ts";
import { delinearize } from "../../../ir/ops/indexing.ts";
import { inlineRegion, storedBuffers, withOuter } from "../../../ir/rewrite.ts";
import { bufferType, type BufferType, type DType, indexType, scalarType } from "../../../ir/type.ts";
import { isMultiple } from "../choose-tile.ts";
import { partsOf } from "../contract.ts";

export interface SplitKernel {
  /** Its results are the last inputs of `main`. */
  readonly preparation: Func;
  readonly main: Func;
}

/** Results from which on there are blocks enough without. */
const manyResults = 4096;
/** Of a sum. */
const longReduction = 2 ** 14;
const stretchOfReduction = 2 ** 12;
const mostStretches = 256;
/** Tiles of 32 by 32 from which on there are blocks enough, and terms that are worth a block. */
const manyTiles = 64;
const longContraction = 1024;
const stretchOfContraction = 256;

/** The two kernels, or undefined where one is as good. */
export function splitSum(func: Func): SplitKernel | undefined {
  const root = func.body.ops.find((op) => op.name === "parallel" || op.name === "contract");
  if (root?.name === "contract") return splitContraction(func, root);
  return root === undefined ? undefined : splitReduction(func, root);
}

function splitReduction(func: Func, root: Op): SplitKernel | undefined {
  const body = at(root.regions, 0);
  const outer = root.attrs["extents"] as readonly Dim[];
  const [reduce, ...others] = body.ops.filter((op) => op.name === "reduce" || op.name === "parallel" || op.name === "scan");
  if (reduce?.name !== "reduce" || others.length > 0) return undefined;
  const results = mulDims(1, ...outer);
  const inner = reduce.attrs["extents"] as readonly Dim[];
  const length = mulDims(1, ...inner);
  if (typeof results !== "number" || results >= manyResults || typeof length !== "number" || length < longReduction) return undefined;
  const stretches = Math.min(mostStretches, Math.ceil(length / stretchOfReduction));
  const stretch = Math.ceil(length / stretches);
  const partTypes = reduce.results.map(({ type }) => bufferType("global", type.dtype as DType, [...outer, stretches]));

  const preparation = rebuild(func, `${func.name}_parts`, partTypes, true, (b, op, parts, mapped) => {
    const region = withOuter(at(op.regions, 0), mapped);
    b.parallel({ extents: [...outer, stretches] }, [b.region([...outer, stretches].map(() => indexType), (index) => {
      const row = index.slice(0, -1);
      const before = region.ops.slice(0, region.ops.findIndex((inner) => inner.name === "reduce"));
      const inside = region.ops[before.length] as Op;
      // The reduction is looked at with what stands before it, and yields the parts.
      inlineRegion(b, { parameters: region.parameters, ops: [...before.filter((inner) => inner.name !== "store"), inside], yields: [] }, row, (_b, inner, operands, rewriter) => {
        if (inner.name !== "reduce") return undefined;
        const [element, combine] = inner.regions.map((part) => withOuter(part, rewriter.value));
        if (element === undefined || combine === undefined) throw new Error("a reduce has two regions");
        const elementOfStretch = b.region([indexType], ([place]) => {
          const position = b.add(b.mul(at(index, -1), stretch), only([place]));
          const load = (): readonly Value[] => inlineRegion(b, element, delinearize(b, position, inner.attrs["extents"] as readonly Dim[]));
          if (isMultiple(length, stretch)) return load();
          return b.if(b.lt(position, b.index(length)), {}, [b.region([], load), b.region([], () => operands)]);
        });
        const totals = b.reduce(operands, { extents: [stretch] }, [elementOfStretch, combine]);
        totals.forEach((total, i) => b.store(at(parts, i), total, index));
        return totals;
      });
      return [];
    })]);
  });

  const main = rebuild(func, func.name, partTypes, false, (b, op, parts, mapped) => {
    const region = withOuter(at(op.regions, 0), mapped);
    b.parallel({ extents: outer }, [b.region(outer.map(() => indexType), (index) => {
      inlineRegion(b, region, index, (_b, inner, operands, rewriter) => {
        if (inner.name !== "reduce") return undefined;
        const combine = withOuter(at(inner.regions, 1), rewriter.value);
        const element = b.region([indexType], (stretch) => parts.map((part) => b.load(part, [...index, ...stretch])));
        return b.reduce(operands, { extents: [stretches] }, [element, combine]);
      });
      return [];
    })]);
  });
  return { preparation, main };
}

function splitContraction(func: Func, root: Op): SplitKernel | undefined {
  const { batch, m, n, k, dtype, precision } = root.attrs as ContractAttrs;
  const tiles = [...batch, ...[m, n].map((size) => (typeof size === "number" ? Math.ceil(size / 32) : size))];
  const count = mulDims(1, ...tiles);
  if (typeof count !== "number" || count >= manyTiles || typeof k !== "number" || k < longContraction) return undefined;
  const stretches = Math.min(Math.ceil(k / stretchOfContraction), Math.ceil((2 * manyTiles) / count));
  const stretch = Math.ceil(k / stretches);
  const partType = bufferType("global", dtype, [...batch, stretches, m, n]);
  const element = scalarType(dtype);

  const preparation = rebuild(func, `${func.name}_parts`, [partType], true, (b, op, [part], mapped) => {
    if (part === undefined) throw new Error("the parts of a contraction are one buffer");
    const { left, right } = partsOf(op.attrs as ContractAttrs, op.regions.map((region) => withOuter(region, mapped)));
    const indices = [...batch, stretches].map(() => indexType);
    const operand = (region: typeof left, place: (index: readonly Value[], term: Value) => readonly Value[], termAt: number): typeof left =>
      b.region([...indices, indexType, indexType], (values) => {
        const term = b.add(b.mul(at(values, indices.length - 1), stretch), at(values, indices.length + termAt));
        const load = (): readonly Value[] => inlineRegion(b, region, [...values.slice(0, indices.length - 1), ...place(values.slice(indices.length), term)]);
        if (isMultiple(k, stretch)) return load();
        return b.if(b.lt(term, b.index(k)), {}, [b.region([], load), b.region([], () => [b.constantOf(element, 0)])]);
      });
    b.contract({ batch: [...batch, stretches], m, n, k: stretch, dtype, ...(precision === undefined ? {} : { precision }) }, [
      operand(left, ([row], term) => [only([row]), term], 1),
      operand(right, ([, column], term) => [term, only([column])], 0),
      b.region([...indices, indexType, indexType, element], (values) => {
        const [stretchIndex, row, column, total] = values.slice(indices.length - 1);
        b.store(part, only([total]), [...values.slice(0, indices.length - 1), only([stretchIndex]), only([row]), only([column])]);
        return [];
      }),
    ]);
  });

  const main = rebuild(func, func.name, [partType], false, (b, op, [part], mapped) => {
    if (part === undefined) throw new Error("the parts of a contraction are one buffer");
    const { epilogue } = partsOf(op.attrs as ContractAttrs, op.regions.map((region) => withOuter(region, mapped)));
    const extents = [...batch, m, n];
    b.parallel({ extents }, [b.region(extents.map(() => indexType), (index) => {
      const load = b.region([indexType], (stretchIndex) => [b.load(part, [...index.slice(0, batch.length), ...stretchIndex, ...index.slice(batch.length)])]);
      const sum = b.region([element, element], (sums) => b.op("add", sums));
      const totals = b.reduce([b.constantOf(element, 0)], { extents: [stretches] }, [load, sum]);
      inlineRegion(b, epilogue, [...index, ...totals]);
      return [];
    })]);
  });
  return { preparation, main };
}

type BuildRoot = (b: Builder, root: Op, parts: readonly Value[], mapped: (value: Value) => Value) => void;

/** The kernel with another root: `parts` in place of its results, or after its inputs. */
function rebuild(func: Func, name: string, partTypes: readonly BufferType[], areResults: boolean, build: BuildRoot): Func {
  const stored = storedBuffers(func);
  const parameters = func.body.parameters.map((value, i) => ({ name: func.parameterNames[i] ?? `buffer${i}`, type: value.type }));
  const inputs = parameters.filter((_, i) => !stored.has(at(func.body.parameters, i)));
  const outputs = parameters.slice(inputs.length);
  const parts = partTypes.map((type, i) => ({ name: `part${i}`, type }));
  return buildFunction(name, [...inputs, ...parts, ...(areResults ? [] : outputs)], (b, buffers) => {
    const partBuffers = buffers.slice(inputs.length, inputs.length + parts.length);
    // Nothing of a preparation stores to the results: they stand for themselves.
    const own = func.body.parameters.map((parameter, i) => (i < inputs.length ? at(buffers, i) : areResults ? parameter : at(buffers, i + parts.length)));
    return inlineRegion(b, func.body, own, (_b, op, _operands, rewriter) => {
      if (op.name !== "parallel" && op.name !== "contract") return undefined;
      build(b, op, partBuffers, rewriter.value);
      return [];
    });
  });
}
