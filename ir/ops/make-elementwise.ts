/**
 * Makes records of elementwise ops from what is special about each: a function of numbers, the dtypes it accepts and
 * its derivative. Types, evaluation, compute and samples follow from that: result element i depends on the operand
 * elements at i, and all operands have one type (tensors, scalars or vectors).
 */

import { namedDim } from "../dim.ts";
import { only } from "../expect.ts";
import type { Value } from "../module.ts";
import { type Derivative, type ElementwiseRecord, evaluateScalar, type Operand, type Sample, TypeFault } from "../op.ts";
import { type DType, isFloat, isInteger, isMemory, type ScalarDType, scalarType, sameType, type TensorType, type Type, tensorType } from "../type.ts";
import { fact } from "./check.ts";
import { sameOp } from "./make-batch.ts";
import { operandAt, tabulate } from "./tabulate.ts";

/** Sets of dtypes that an op may take. */
export type Accepts =
  | "float"
  /** Floats and signed integers. */
  | "signed"
  /** Floats and integers. */
  | "number"
  /** Floats, integers and the kernel level's index. */
  | "numberOrIndex"
  /** Integers and bool. */
  | "bits"
  | "integer"
  | "u32"
  | "any";

export interface ElementwiseRule {
  readonly doc: string;
  readonly accepts: Accepts;
  /** Before rounding to the result's dtype. */
  readonly scalar: (dtype: ScalarDType, ...operands: readonly number[]) => number;
  readonly derivative: Derivative;
  /** Operand values of the samples, [-2, 2] when absent; unsigned samples start at 0. */
  readonly range?: readonly [number, number];
  /** Ranges per operand in place of `range`, when they differ. */
  readonly ranges?: readonly (readonly [number, number])[];
  readonly ulp?: number;
  /** The result is bool, as of a comparison. */
  readonly toBool?: boolean;
}

export type UnaryRecord = ElementwiseRecord<(x: Value) => Value>;
export type BinaryRecord = ElementwiseRecord<(left: Operand, right: Operand) => Value>;

export function unary(name: string, rule: ElementwiseRule): UnaryRecord {
  return elementwise(name, ["x"], rule);
}

export function binary(name: string, rule: ElementwiseRule): BinaryRecord {
  return elementwise(name, ["left", "right"], rule);
}

/** `name` is the op's text name. */
export function elementwise<Call>(name: string, operandNames: readonly string[], rule: ElementwiseRule): ElementwiseRecord<Call> {
  const record: ElementwiseRecord<Call> = {
    doc: rule.doc,
    operands: operandNames,
    results: ["result"],
    scalar: rule.scalar,
    infer: (operands) => {
      const type = oneType(operandNames, operands);
      expectDType(operandNames[0] ?? "it", type, rule.accepts);
      return [rule.toBool === true ? withDType(type, "bool") : type];
    },
    evaluate: (operands, _attrs, results) => [
      tabulateFlat(results[0], operands.length, (position, offset) => operandAt(operands, position).data[offset] ?? 0, record, operandAt(operands, 0).dtype),
    ],
    compute: {
      form: "map",
      at: (b, context, index) => only(b.op(name, operandNames.map((_, position) => context.load(position, index)), context.attrs)),
    },
    derivative: rule.derivative,
    batch: sameOp(),
    samples: samplesOf(operandNames.length, rule),
  };
  return record;
}

/** Applies an elementwise record at each position of arrays that all have the result's shape. */
export function tabulateFlat(
  result: TensorType | undefined,
  operandCount: number,
  read: (position: number, offset: number) => number,
  record: ElementwiseRecord<unknown>,
  dtype: ScalarDType,
): ReturnType<typeof tabulate> {
  let offset = 0;
  return tabulate(result, () => {
    const numbers = Array.from({ length: operandCount }, (_, position) => read(position, offset));
    offset++;
    return evaluateScalar(record, dtype, result?.dtype ?? "f32", numbers);
  });
}

/** The one type of all operands. */
export function oneType(names: readonly string[], operands: readonly Type[]): TensorType | ReturnType<typeof scalarType> {
  if (operands.length !== names.length) throw new TypeFault(`it takes ${names.length} operands`, [`${operands.length} are given`]);
  const [first] = operands;
  const facts = operands.map((operand, position) => fact(names[position] ?? "it", operand));
  if (first === undefined || isMemory(first)) throw new TypeFault("it takes tensors, scalars or vectors", facts);
  for (const operand of operands) {
    if (sameType(first, operand)) continue;
    const dtypesDiffer = operand.dtype !== first.dtype;
    throw new TypeFault("all operands must have the same type", facts, dtypesDiffer ? "cast one of them" : "broadcast one of them");
  }
  return first;
}

export function expectDType(name: string, type: Type, accepts: Accepts): void {
  if (accepted[accepts].test(type.dtype)) return;
  throw new TypeFault(`it takes ${accepted[accepts].words}`, [fact(name, type)], "cast it");
}

export function withDType(type: TensorType | ReturnType<typeof scalarType>, dtype: DType): TensorType | ReturnType<typeof scalarType> {
  return type.kind === "tensor" ? tensorType(dtype, type.shape) : scalarType(dtype, type.lanes);
}

const accepted: Readonly<Record<Accepts, { words: string; test: (dtype: ScalarDType) => boolean; samples: readonly DType[] }>> = {
  float: { words: "floats", test: isFloat, samples: ["f32", "f64"] },
  signed: { words: "floats and signed integers", test: (dtype) => isFloat(dtype) || dtype.startsWith("i") && dtype !== "index", samples: ["f32", "f64", "i32"] },
  number: { words: "floats and integers", test: (dtype) => dtype !== "bool" && dtype !== "index", samples: ["f32", "f64", "i32", "u32"] },
  numberOrIndex: { words: "floats and integers", test: (dtype) => dtype !== "bool", samples: ["f32", "f64", "i32", "u32"] },
  bits: { words: "integers and bool", test: (dtype) => !isFloat(dtype) && dtype !== "index", samples: ["i32", "u32", "bool"] },
  integer: { words: "integers", test: (dtype) => isInteger(dtype) && dtype !== "index", samples: ["i32", "u32"] },
  u32: { words: "u32", test: (dtype) => dtype === "u32", samples: ["u32"] },
  any: { words: "any dtype", test: () => true, samples: ["f32", "f64", "i32", "u32", "bool"] },
};

function samplesOf(operandCount: number, rule: ElementwiseRule): readonly Sample[] {
  return accepted[rule.accepts].samples.map((dtype) => ({
    operands: new Array<TensorType>(operandCount).fill(tensorType(dtype, [namedDim("N"), 3])),
    ranges: Array.from({ length: operandCount }, (_, position) => rangeFor(dtype, rule.ranges?.[position] ?? rule.range ?? [-2, 2])),
    ...(rule.ulp === undefined ? {} : { ulp: rule.ulp }),
  }));
}

function rangeFor(dtype: DType, [low, high]: readonly [number, number]): readonly [number, number] {
  if (dtype === "bool") return [0, 1];
  if (isFloat(dtype)) return [low, high];
  return [dtype.startsWith("u") ? Math.max(0, Math.ceil(low)) : Math.ceil(low), Math.max(Math.floor(high), 1)];
}
