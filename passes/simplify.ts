/**
 * simplify: applies the identities (identities/) and folds constants.
 *
 * Needs: stop_gradient has done its work (transform). Ensures: no identity applies to any op. Ops are made anew one
 * by one, and each is asked for a simpler answer before it is built, as are the ops that an answer is made of; so one
 * walk over the program is enough. What was replaced stays without uses, for dce.
 *
 *     %1 = constant {"dtype":"f32","shape":[],"value":1}
 *     %2 = broadcast %1 {"axes":[],"shape":["N",3]}       ->     (constants, now unused)
 *     %3 = mul %2, %x                                     ->     %x
 */

import type { Builder } from "../ir/builder.ts";
import type { Dim } from "../ir/dim.ts";
import { hostArray, type HostArray } from "../ir/host.ts";
import type { Attrs, Op, Region, Value } from "../ir/module.ts";
import { evaluateScalar, isElementwise } from "../ir/op.ts";
import { findRecord } from "../ir/ops/table.ts";
import { functionsOf, mapModule, rewriteFunction, type Rewriter, type RewriteRule } from "../ir/rewrite.ts";
import { isMemory, sameType, type ScalarType, type TensorType, type Type } from "../ir/type.ts";
import { isPure } from "./effects.ts";
import { arithmeticIdentities } from "./identities/arithmetic.ts";
import { contractIdentities } from "./identities/contract.ts";
import { type Candidate, constantValue, type Identities, type Identity, type Simplifier, splatValue } from "./identities/identity.ts";
import { counterBounds, indexIdentities } from "./identities/index-arithmetic.ts";
import { shapeIdentities } from "./identities/shape.ts";
import type { Pass } from "./pass.ts";

export const simplify: Pass = {
  name: "simplify",
  run: (module) => mapModule(module, (func) => rewriteFunction(func, simplifyOps(), functionsOf(module))),
};

const tables: readonly Identities[] = [arithmeticIdentities, indexIdentities, shapeIdentities, contractIdentities];

/** Largest number of elements that folding computes or writes out as a list. */
const foldedElements = 64;

interface Known {
  /** What made each new value. */
  readonly definitions: Map<Value, Candidate>;
  readonly bounds: Map<Value, Dim>;
}

function simplifyOps(): RewriteRule {
  const known: Known = { definitions: new Map(), bounds: new Map() };
  return (b, op, operands, rewriter) => {
    const s = simplifierOf(b, known);
    if (op.regions.length > 0) return b.copy(op, operands, op.regions.map((_, i) => simplifiedRegion(op, operands, i, s, known, rewriter)));
    const type = op.results[0]?.type;
    if (!isSimple(op) || type === undefined || isMemory(type)) return undefined;
    return [simplified({ name: op.name, operands, attrs: op.attrs, type }, s, b, known)];
  };
}

/** A region in which counters are known to stay below their extents. */
function simplifiedRegion(op: Op, operands: readonly Value[], position: number, s: Simplifier, known: Known, rewriter: Rewriter): Region {
  const region = op.regions[position];
  if (region === undefined) throw new RangeError(`${op.name} has no region ${position}`);
  const bounds = counterBounds(op, operands, position, s);
  return rewriter.b.region(region.parameters.map(({ type }) => type), (parameters) => {
    parameters.forEach((parameter, i) => {
      const bound = bounds[i];
      if (bound !== undefined) known.bounds.set(parameter, bound);
    });
    return rewriter.inline(region, parameters);
  });
}

/** One result that depends on operands and attrs alone. */
function isSimple(op: Op): boolean {
  return isPure(op) && op.results.length === 1 && op.attrs["callee"] === undefined;
}

function simplifierOf(b: Builder, known: Known): Simplifier {
  const s: Simplifier = {
    definition: (value) => known.definitions.get(value),
    bound: (value) => known.bounds.get(value),
    make: (name, operands, attrs = {}) => simplified({ name, operands, attrs, type: typeOf(name, operands, attrs) }, s, b, known),
    constant: (type, value) => s.make("constant", [], constantAttrs(type, value)),
  };
  return s;
}

function simplified(op: Candidate, s: Simplifier, b: Builder, known: Known): Value {
  for (const identity of identitiesOf(op.name)) {
    const answer = identity(op, s);
    if (answer === undefined) continue;
    if (!sameType(answer.type, op.type)) throw new Error(`an identity of ${op.name} changes its type`);
    return answer;
  }
  const [value] = b.op(op.name, op.operands, op.attrs);
  if (value === undefined) throw new Error(`${op.name} has no result`);
  known.definitions.set(value, op);
  return value;
}

/** By op, each list made when first asked for. */
const identities = new Map<string, readonly Identity[]>();

function identitiesOf(name: string): readonly Identity[] {
  const known = identities.get(name);
  if (known !== undefined) return known;
  const found = [foldConstants, ...tables.flatMap((table) => table[name] ?? [])];
  identities.set(name, found);
  return found;
}

/* ------------------------------------------------------------- constants */

/** An op of constants is a constant: of splats for elementwise ops of any size, of literals as far as they are small. */
function foldConstants(op: Candidate, s: Simplifier): Value | undefined {
  if (op.operands.length === 0) return undefined;
  const record = findRecord(op.name);
  if (isElementwise(record)) {
    const splats = op.operands.map((operand) => splatValue(s, operand));
    if (splats.every((splat) => splat !== undefined)) {
      const dtype = op.operands[0]?.type.dtype ?? op.type.dtype;
      return s.constant(op.type, evaluateScalar(record, dtype, op.type.dtype, splats));
    }
  }
  const { evaluate } = record;
  if (evaluate === undefined || op.type.kind !== "tensor" || !isSmall(op.type)) return undefined;
  const arrays = op.operands.map((operand) => literalOf(s, operand));
  if (!arrays.every((array) => array !== undefined)) return undefined;
  const [result] = evaluate(arrays, op.attrs, [op.type]);
  return result === undefined ? undefined : s.constant(op.type, shortest([...result.data]));
}

function literalOf(s: Simplifier, value: Value): HostArray | undefined {
  const held = constantValue(s, value);
  const { type } = value;
  if (held === undefined || type.kind !== "tensor" || !isSmall(type)) return undefined;
  const shape = type.shape.map(Number);
  const count = shape.reduce((product, size) => product * size, 1);
  return hostArray(type.dtype, shape, typeof held === "number" ? new Array<number>(count).fill(held) : held);
}

function isSmall(type: TensorType): boolean {
  const count = type.shape.reduce<number>((product, dim) => (typeof dim === "number" ? product * dim : NaN), 1);
  return count <= foldedElements;
}

/** One number for equal elements. */
function shortest(elements: readonly number[]): number | readonly number[] {
  const [first] = elements;
  return first !== undefined && elements.every((element) => Object.is(element, first)) ? first : elements;
}

function constantAttrs(type: TensorType | ScalarType, value: number | readonly number[]): Attrs {
  if (type.kind === "tensor") return { value, dtype: type.dtype, shape: type.shape };
  return { value, dtype: type.dtype, ...(type.lanes > 1 ? { lanes: type.lanes } : {}) };
}

function typeOf(name: string, operands: readonly Value[], attrs: Attrs): TensorType | ScalarType {
  const [type]: readonly (Type | undefined)[] = findRecord(name).infer(operands.map((operand) => operand.type), attrs, []);
  if (type === undefined || isMemory(type)) throw new Error(`${name} does not make a tensor, scalar or vector`);
  return type;
}
