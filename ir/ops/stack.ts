/**
 * Stacks: memory that grows while a program runs. Reverse mode keeps on them what a loop or a branch must remember until
 * it is walked back (passes/split-control.ts).
 *
 * They are the one thing at tensor level that changes. The uses of one stack stay in their order, wherever regions put
 * them; whoever makes a program sees to it that each pop finds what its push left. The interpreter gives the meaning. A `for`
 * that pops what a loop pushed is that loop reversed (attr `reverse`): for many examples at once it is by this that it goes
 * back through the turns of each.
 */

import type { Dim } from "../dim.ts";
import type { Attrs, Value } from "../module.ts";
import { type OpRecord, TypeFault } from "../op.ts";
import { type DType, printType, sameType, type StackType, stackType, tensorType, type Type } from "../type.ts";
import { dimsAttr, dtypeAttr, expectOperandCount, given } from "./check.ts";

export interface StackAttrs extends Attrs {
  /** Of the tensors on it. */
  readonly dtype: DType;
  readonly shape: readonly Dim[];
}

export const stack: OpRecord<(attrs: StackAttrs) => Value> = {
  doc: "a new stack of tensors of one type, empty each time that the op runs",
  operands: [],
  results: ["stack"],
  dimAttrs: ["shape"],
  infer: (operands, attrs) => {
    expectOperandCount(operands, 0);
    return [stackType(dtypeAttr(attrs), dimsAttr(attrs, "shape"))];
  },
};

export const push: OpRecord<(stack: Value, value: Value) => readonly Value[]> = {
  doc: "puts a tensor on top of a stack",
  operands: ["stack", "value"],
  results: [],
  infer: (operands) => {
    expectOperandCount(operands, 2);
    const element = elementOf(operands[0]);
    const value = given(operands[1]);
    if (!sameType(element, value)) throw new TypeFault("a stack takes tensors of its own type", [`it is of ${printType(element)}, and the value is ${printType(value)}`]);
    return [];
  },
};

export const pop: OpRecord<(stack: Value) => Value> = {
  doc: "takes the tensor on top of a stack from it; an error when the stack is empty",
  operands: ["stack"],
  results: ["value"],
  infer: (operands) => {
    expectOperandCount(operands, 1);
    return [elementOf(operands[0])];
  },
};

function elementOf(type: Type | undefined): Type {
  const { dtype, shape } = stackOf(given(type));
  return tensorType(dtype, shape);
}

function stackOf(type: Type): StackType {
  if (type.kind !== "stack") throw new TypeFault("expected a stack", [`it is ${printType(type)}`]);
  return type;
}
