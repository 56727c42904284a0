/**
 * Lower: each group becomes a kernel function, by composing the compute rules of its ops.
 *
 * Needs: every op with a compute rule is inside a group (fuse). Ensures: groups are launches, and each kernel function
 * says what is computed with parallel, reduce, scan and contract; the order is left to schedule.
 *
 * An element is computed where it is asked for: the element of a map op asks for elements of its operands, down to
 * loads of the kernel's inputs. So producers fold into consumers without any rule about pairs of ops. Two things are
 * stored on the way: what an op of kernel form writes by a body of its own, and expensive values of a row that a later
 * stage needs again, which are kept in scratch memory (keep-values.ts).
 *
 *   %2: f32[N] = group %0, %1 { body(%a: f32[N], %b: f32[N]) { %c: f32[N] = add %a, %b  yield %c } }
 *
 * becomes `launch %0, %1 {"callee": "f_0"}` and
 *
 *   func @f_0(%a: global f32[N], %b: global f32[N], %c: global f32[N]) {
 *     parallel {"extents": ["N"]} { body(%i: index) { %x = load %a, %i ... store %c, %z, %i } }
 *   }
 */

import { type Builder, buildFunction } from "../ir/builder.ts";
import { type Dim, elementCount, sameShape } from "../ir/dim.ts";
import { at, only } from "../ir/expect.ts";
import type { Attrs, Func, Module, Op, Region, Value } from "../ir/module.ts";
import type { ComputeContext, Contraction } from "../ir/op.ts";
import { delinearize } from "../ir/ops/indexing.ts";
import type { ContractAttrs } from "../ir/ops/kernel.ts";
import { rewriteFunction } from "../ir/rewrite.ts";
import type { Precision } from "../ir/signature.ts";
import { tensorTypeOf } from "../ir/type-of.ts";
import { bufferType, indexType, isFloat, scalarType, type TensorType } from "../ir/type.ts";
import { computeOf, tensorTypesOf } from "./access.ts";
import { type AxisClass, findRowAxes, type RowAxes } from "./axes.ts";
import { isFree } from "./cost.ts";
import { keepValues, type KeptValues } from "./keep-values.ts";
import type { Pass } from "./pass.ts";

export const lower: Pass = {
  name: "lower",
  run(module, { limits }) {
    const scratchBytes = limits?.scratchBytes ?? 0;
    const kernels: Func[] = [];
    const findKernel = (name: string): Func | undefined => kernels.find((kernel) => kernel.name === name) ?? module.functions.find((func) => func.name === name);
    const functions = module.functions.map((func) =>
      rewriteFunction(
        func,
        (b, op, operands) => {
          const [body] = op.regions;
          if (op.name !== "group" || body === undefined) return undefined;
          const kernel = lowerGroup(`${func.name}_${kernels.length}`, body, scratchBytes);
          kernels.push(kernel);
          return b.launch(operands, { callee: kernel.name, summary: summaryOf(body) });
        },
        findKernel,
      ),
    );
    return { functions: [...functions, ...kernels] } satisfies Module;
  },
};

/** The ops that do the work, each once; if there are none, those that move elements. */
function summaryOf({ ops }: Region): string {
  const working = ops.filter((op) => !isFree(op));
  return [...new Set((working.length > 0 ? working : ops).map(({ name }) => name))].join(" + ");
}

function lowerGroup(name: string, body: Region, scratchBytes: number): Func {
  const inputs = body.parameters.map((value, i) => ({ name: `in${i}`, type: globalOf(tensorTypeOf(value)) }));
  const outputs = body.yields.map((value, i) => ({ name: `out${i}`, type: globalOf(tensorTypeOf(value)) }));
  return buildFunction(name, [...inputs, ...outputs], (b, buffers) => {
    new GroupLowering(b, body, buffers, scratchBytes).lower();
    return [];
  });
}

function globalOf(type: TensorType): ReturnType<typeof bufferType> {
  return bufferType("global", type.dtype, type.shape);
}

class GroupLowering {
  readonly #b: Builder;
  readonly #body: Region;
  readonly #inputs = new Map<Value, Value>();
  readonly #outputs: readonly Value[];
  readonly #definitions = new Map<Value, Op>();
  /** Elements computed already, by value and index, in the region being built and those around it. */
  #scopes: Map<Value, { index: readonly Value[]; element: Value }[]>[] = [new Map()];
  readonly #scratchBytes: number;
  /** Values of a row that are kept from one stage to the next, in the row kernel that is being built. */
  #kept: KeptValues | undefined;

  constructor(b: Builder, body: Region, buffers: readonly Value[], scratchBytes: number) {
    this.#scratchBytes = scratchBytes;
    this.#b = b;
    this.#body = body;
    body.parameters.forEach((parameter, i) => this.#inputs.set(parameter, at(buffers, i)));
    this.#outputs = buffers.slice(body.parameters.length);
    for (const op of body.ops) for (const result of op.results) this.#definitions.set(result, op);
  }

  lower(): void {
    const roots = this.#body.ops.filter((op) => computeOf(op).form !== "map");
    const [root] = roots;
    if (root === undefined) return this.#lowerMap();
    const compute = computeOf(root);
    this.#b.at(root.spans, () => {
      if (compute.form === "kernel" && roots.length === 1) return this.#lowerKernel(root);
      if (compute.form === "scan" && roots.length === 1) return this.#lowerScan(root);
      if (compute.form === "reduce" && roots.length === 1 && compute.contraction !== undefined) {
        return this.#lowerContraction(root, compute.contraction(tensorTypesOf(root.operands), root.attrs));
      }
      return this.#lowerRows(roots);
    });
  }

  #lowerMap(): void {
    const shape = tensorTypeOf(at(this.#body.yields, 0)).shape;
    for (const value of this.#body.yields) {
      if (!sameShape(tensorTypeOf(value).shape, shape)) throw new Error("the results of a group of maps must have one shape");
    }
    this.#b.parallel({ extents: shape }, [this.#region(shape.length, (index) => this.#storeAll(index))]);
  }

  #storeAll(index: readonly Value[]): void {
    this.#body.yields.forEach((value, i) => this.#b.store(at(this.#outputs, i), this.#element(value, index), index));
  }

  /** Outer space in parallel; in each row the totals in order, then the results that have inner axes. */
  #lowerRows(reductions: readonly Op[]): void {
    const axes = findRowAxes(this.#body);
    if (axes === undefined) throw new Error(`the reductions ${reductions.map((op) => op.name).join(", ")} do not fold the same axes, so they are not one kernel`);
    const b = this.#b;
    const { outer, inner } = axes;
    const body = this.#region(outer.length, (outerIndex) => {
      const position = new Map<AxisClass, Value>(outer.map((axis, i) => [axis, at(outerIndex, i)]));
      this.#kept = keepValues(b, this.#body, axes, this.#scratchBytes);
      for (const op of reductions) {
        this.#kept.stage++;
        this.#lowerReduction(op, axes, position);
      }
      this.#kept.stage++;
      const rowResults: [Value, Value][] = [];
      this.#body.yields.forEach((value, i) => {
        const buffer = at(this.#outputs, i);
        if (this.#hasInnerAxis(value, axes)) rowResults.push([value, buffer]);
        else {
          const index = this.#indexOf(value, axes, position);
          b.store(buffer, this.#element(value, index), index);
        }
      });
      if (rowResults.length === 0) return;
      const rowBody = this.#region(inner.length, (innerIndex) => {
        const full = new Map([...position, ...inner.map((axis, i) => [axis, at(innerIndex, i)] as const)]);
        for (const [value, buffer] of rowResults) {
          const index = this.#indexOf(value, axes, full);
          b.store(buffer, this.#element(value, index), index);
        }
      });
      b.parallel({ extents: inner.map(({ extent }) => extent) }, [rowBody]);
    });
    b.parallel({ extents: outer.map(({ extent }) => extent) }, [body]);
  }

  #lowerReduction(op: Op, axes: RowAxes, position: ReadonlyMap<AxisClass, Value>): void {
    const compute = computeOf(op);
    if (compute.form !== "reduce") throw new Error(`${op.name} is no reduction`);
    const b = this.#b;
    b.at(op.spans, () => {
      const operands = tensorTypesOf(op.operands);
      const result = at(op.results, 0);
      const index = this.#indexOf(result, axes, position);
      const extents = compute.extents(operands, op.attrs);
      const slots = compute.slots(operands, op.attrs).map((dtype) => scalarType(dtype));
      const identities = compute.identity(operands, op.attrs).map((value, i) => b.constantOf(at(slots, i), value));
      const context = this.#contextOf(op);
      const element = b.region(extents.map(() => indexType), (reduced) =>
        this.#scoped(() => compute.element(b, context, index, reduced)));
      const combine = b.region([...slots, ...slots], (tuples) =>
        compute.combine(b, tuples.slice(0, slots.length), tuples.slice(slots.length), op.attrs));
      const totals = b.reduce(identities, { extents }, [element, combine]);
      const finished = compute.finish?.(b, context, totals) ?? totals;
      op.results.forEach((value, i) => {
        this.#remember(value, index, this.#convert(at(finished, i), tensorTypeOf(value)));
      });
    });
  }

  #lowerContraction(op: Op, axes: Contraction): void {
    const b = this.#b;
    const [left, right] = op.operands.map(tensorTypeOf);
    const result = at(op.results, 0);
    if (left === undefined || right === undefined) throw new Error(`${op.name} is a contraction of two operands`);
    const leftFree = axesBut(left, [...axes.leftBatch, ...axes.leftReduced]);
    const rightFree = axesBut(right, [...axes.rightBatch, ...axes.rightReduced]);
    const sizes = (type: TensorType, positions: readonly number[]): readonly Dim[] => positions.map((axis) => at(type.shape, axis));
    const batch = sizes(left, axes.leftBatch);
    const rows = sizes(left, leftFree);
    const columns = sizes(right, rightFree);
    const folded = sizes(left, axes.leftReduced);
    const accumulator = isFloat(left.dtype) && left.dtype !== "f64" ? "f32" : left.dtype;
    const element = scalarType(accumulator);
    const indices = [...batch.map(() => indexType), indexType, indexType];

    const operand = (position: number, type: TensorType, batchAxes: readonly number[], freeAxes: readonly number[], reducedAxes: readonly number[]) =>
      (batchIndex: readonly Value[], free: readonly Value[], reduced: readonly Value[]): Value => {
        const index: Value[] = new Array(type.shape.length);
        batchAxes.forEach((axis, i) => (index[axis] = at(batchIndex, i)));
        freeAxes.forEach((axis, i) => (index[axis] = at(free, i)));
        reducedAxes.forEach((axis, i) => (index[axis] = at(reduced, i)));
        return this.#convert(this.#element(at(op.operands, position), index), { ...type, dtype: accumulator });
      };
    const leftAt = operand(0, left, axes.leftBatch, leftFree, axes.leftReduced);
    const rightAt = operand(1, right, axes.rightBatch, rightFree, axes.rightReduced);

    const leftRegion = b.region(indices, (values) =>
      this.#scoped(() => [leftAt(values.slice(0, -2), delinearize(b, at(values, -2), rows), delinearize(b, at(values, -1), folded))]));
    const rightRegion = b.region(indices, (values) =>
      this.#scoped(() => [rightAt(values.slice(0, -2), delinearize(b, at(values, -1), columns), delinearize(b, at(values, -2), folded))]));
    const epilogue = b.region([...indices, element], (values) =>
      this.#scoped(() => {
        const index = [...values.slice(0, -3), ...delinearize(b, at(values, -3), rows), ...delinearize(b, at(values, -2), columns)];
        this.#remember(result, index, this.#convert(at(values, -1), tensorTypeOf(result)));
        this.#storeAll(index);
        return [];
      }));
    b.contract(
      { batch, m: elementCount(rows), n: elementCount(columns), k: elementCount(folded), dtype: accumulator, ...precisionOf(left, right, op.attrs) },
      [leftRegion, rightRegion, epilogue],
    );
  }

  #lowerScan(op: Op): void {
    const compute = computeOf(op);
    if (compute.form !== "scan") throw new Error(`${op.name} is no scan`);
    const b = this.#b;
    const operands = tensorTypesOf(op.operands);
    const result = at(op.results, 0);
    const { shape, dtype } = tensorTypeOf(result);
    const axis = compute.axis(op.attrs);
    const type = scalarType(dtype);
    const outer = shape.filter((_, position) => position !== axis);
    const body = this.#region(outer.length, (outerIndex) => {
      const indexAt = (i: Value): readonly Value[] => [...outerIndex.slice(0, axis), i, ...outerIndex.slice(axis)];
      const identity = b.constantOf(type, compute.identity(operands, op.attrs));
      const element = b.region([indexType], (counter) => this.#scoped(() => [compute.element(b, this.#contextOf(op), indexAt(only(counter)))]));
      const combine = b.region([type, type], (pair) => [compute.combine(b, at(pair, 0), at(pair, 1), op.attrs)]);
      const emit = b.region([indexType, type], (values) =>
        this.#scoped(() => {
          const index = indexAt(at(values, 0));
          this.#remember(result, index, at(values, 1));
          this.#storeAll(index);
          return [];
        }));
      b.scan(identity, { extent: at(shape, axis), reverse: compute.reverse(op.attrs) }, [element, combine, emit]);
    });
    b.parallel({ extents: outer }, [body]);
  }

  #lowerKernel(op: Op): void {
    const compute = computeOf(op);
    if (compute.form !== "kernel") throw new Error(`${op.name} has no body of its own`);
    const buffers = op.results.map((result) => at(this.#outputs, this.#body.yields.indexOf(result)));
    compute.body(this.#b, { ...this.#contextOf(op), buffers });
  }

  #contextOf(op: Op): ComputeContext {
    return {
      operands: tensorTypesOf(op.operands),
      results: tensorTypesOf(op.results),
      attrs: op.attrs,
      load: (operand, index) => {
        const element = (): Value => this.#element(at(op.operands, operand), index);
        return mayBranch(op) ? this.#scoped(element) : element();
      },
    };
  }

  /** The element of a value at an index: known already, loaded, or computed by its op's map. */
  #element(value: Value, index: readonly Value[]): Value {
    for (const scope of this.#scopes.toReversed()) {
      const found = scope.get(value)?.find((entry) => entry.index.every((component, axis) => component === index[axis]));
      if (found !== undefined) return found.element;
    }
    const element = this.#compute(value, index);
    this.#remember(value, index, element);
    return element;
  }

  #compute(value: Value, index: readonly Value[]): Value {
    const buffer = this.#inputs.get(value);
    if (buffer !== undefined) return this.#b.load(buffer, index);
    const op = this.#definitions.get(value);
    if (op === undefined) throw new Error("a group uses a value that it neither takes nor computes");
    const compute = computeOf(op);
    if (compute.form !== "map") throw new Error(`${op.name} is used in its own kernel at another index than it is computed at`);
    const kept = this.#kept?.find(value);
    if (kept !== undefined && kept.stage < (this.#kept?.stage ?? 0)) return this.#b.load(kept.buffer, kept.indexIn(index));
    const element = this.#b.at(op.spans, () => compute.at(this.#b, this.#contextOf(op), index));
    if (kept !== undefined) this.#b.store(kept.buffer, element, kept.indexIn(index));
    return element;
  }

  #remember(value: Value, index: readonly Value[], element: Value): void {
    const scope = at(this.#scopes, -1);
    scope.set(value, [...(scope.get(value) ?? []), { index, element }]);
  }

  #region(rank: number, body: (index: readonly Value[]) => void): Region {
    return this.#b.region(new Array(rank).fill(indexType), (index) =>
      this.#scoped(() => {
        body(index);
        return [];
      }));
  }

  #scoped<T>(body: () => T): T {
    this.#scopes.push(new Map());
    try {
      return body();
    } finally {
      this.#scopes.pop();
    }
  }

  #convert(element: Value, type: TensorType): Value {
    return element.type.kind === "scalar" && element.type.dtype !== type.dtype ? this.#b.cast(element, { dtype: type.dtype }) : element;
  }

  #hasInnerAxis(value: Value, { inner, classOf }: RowAxes): boolean {
    return tensorTypeOf(value).shape.some((_, axis) => inner.includes(classOf(value, axis)));
  }

  /** An axis of size 1 that belongs to no loop is at 0. */
  #indexOf(value: Value, { classOf }: RowAxes, position: ReadonlyMap<AxisClass, Value>): readonly Value[] {
    return tensorTypeOf(value).shape.map((extent, axis) => {
      const index = position.get(classOf(value, axis));
      if (index !== undefined) return index;
      if (extent === 1) return this.#b.index(0);
      throw new Error(`axis ${axis} of a result is no axis of its kernel`);
    });
  }
}

/** What the factors may be rounded to: what they are in already, or what the model allows. */
function precisionOf(left: TensorType, right: TensorType, { precision }: Attrs): Pick<ContractAttrs, "precision"> {
  if (left.dtype === right.dtype && (left.dtype === "f16" || left.dtype === "bf16")) return { precision: left.dtype };
  return left.dtype === "f32" && precision !== undefined ? { precision: precision as Precision } : {};
}

function axesBut(type: TensorType, taken: readonly number[]): readonly number[] {
  return type.shape.map((_, axis) => axis).filter((axis) => !taken.includes(axis));
}

/** Whether an op loads inside of an `if` of its own (loadClamped): what is computed there is not there after it. */
function mayBranch({ name, operands }: Op): boolean {
  return ["pad", "concat", "gather"].includes(name) && tensorTypesOf(operands).some(({ shape }) => shape.some((size) => typeof size !== "number"));
}
