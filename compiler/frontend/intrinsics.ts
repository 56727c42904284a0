/**
 * The library's functions that the compiler itself is: everything else in lib/ is inlined from its source. One table,
 * by file and name, because a name alone could be the user's.
 */

import { ts } from "ts-morph";
import { onlyProven, surface, TracedNumber, type SurfaceArgument, type SurfaceContext } from "../../lib/surface.ts";
import { elementCount, namedDim, namesOfDim, printDim, type Dim } from "../../ir/dim.ts";
import { TypeFault } from "../../ir/op.ts";
import { Value } from "../../ir/module.ts";
import { printType, type Type } from "../../ir/type.ts";
import path from "node:path";
import { callValue } from "./evaluate-call.ts";
import { runtimeOperand } from "./evaluate-operator.ts";
import { type Evaluation, known, makeOps, Refusal, refuse, spansAt, tensorOf, use } from "./evaluation.ts";
import { batch } from "./batch.ts";
import { differentiate, pushForward } from "./differentiate.ts";
import { scan, truthOfTensor } from "./scan.ts";
import type { SourceModule } from "./scope.ts";
import { suggestTensor } from "./suggest.ts";
import {
  Closure, CollectionValue, describe, DimQuotient, DimValue, isArray, isCallable, isNumeric, ModelValue, NativeFunction, ObjectValue, ownEntry, RuntimeNumber,
  type StaticValue, TensorValue,
} from "./value.ts";
import { pathName, type Path, refuseHidden } from "./tree.ts";

/** A function for plain JavaScript alone. */
function notCompiled(name: string, help: string): NativeFunction {
  return new NativeFunction(name, (run, _args, node) => refuse(run, node, "TSDL3003", `${name} is not compiled inside of a model`, { help }));
}

const intrinsics: Readonly<Record<string, Readonly<Record<string, NativeFunction>>>> = {
  "primitive.ts": {
    primitive: new NativeFunction("primitive", (run, [name, ...args], node) => callPrimitive(run, String(name), args, node)),
  },
  "jit.ts": { jit: notCompiled("jit", "call the function itself: all of a model is compiled") },
  "from-data.ts": { tensor: notCompiled("tensor", "write constant([[1, 2], [3, 4]]) for numbers in the source, or pass the tensor in as a parameter") },
  "scope.ts": { scope: notCompiled("scope", "leave it out: the compiler knows when each value was used last") },
  "move.ts": { moveTo: notCompiled("to(device)", "a built program runs on the device that its package is loaded on") },
  "execute.ts": { withDevice: notCompiled("withDevice", "a built program runs on the device that its package is loaded on") },
  "model.ts": {
    model: new NativeFunction("model", (run, [body, options], node) => {
      if (!isCallable(body)) return refuse(run, node, "TSDL2001", "model takes a function", { label: `it is given ${describe(body)}` });
      return new ModelValue(body, options);
    }),
  },
  "grad.ts": {
    customGrad: notCompiled("customGrad", "write the function with stopGradient, so that its gradient is the one wanted"),
    valueAndGrad: new NativeFunction("valueAndGrad", (_run, [fn, options], made) =>
      new NativeFunction(nameOf(fn), (run, args, node) => {
        const { value, gradient } = differentiate(run, fn, options, args, ts.isCallExpression(made) ? made : node, node);
        return [value, gradient];
      })),
    grad: new NativeFunction("grad", (_run, [fn, options], made) =>
      new NativeFunction(nameOf(fn), (run, args, node) => {
        const { value, gradient, hasAux } = differentiate(run, fn, options, args, ts.isCallExpression(made) ? made : node, node);
        return hasAux && isArray(value) ? [gradient, value[1]] : gradient;
      })),
    jvp: new NativeFunction("jvp", (run, [fn, primals, tangents], node) => pushForward(run, fn, primals, tangents, node)),
  },
  "vmap.ts": {
    vmap: new NativeFunction("vmap", (run, [fn, axes = 0, outAxes = 0], made) => {
      if (!isCallable(fn)) return refuse(run, made, "TSDL2001", "vmap takes a function", { label: `it is given ${describe(fn)}` });
      return new NativeFunction(nameOf(fn), (inner, args, node) => {
        const site = ts.isCallExpression(made) ? made : node;
        return batch(inner, { fn, axes, outAxes, node: site, context: contextOf(inner, site) }, args);
      });
    }),
  },
  "control.ts": {
    scan: new NativeFunction("scan", (run, [step, initial, xs, options], node) => scan(run, step, initial, xs, options, node)),
  },
  "traced-control.ts": {
    isTraced: new NativeFunction("isTraced", () => false),
    isTrue: new NativeFunction("isTrue", (run, [, condition], node) => truthOfTensor(run, condition, node)),
  },
  "tree.ts": {
    mapTree: new NativeFunction("mapTree", (run, [fn, first, ...others], node) => mapTree(run, fn, first, others, [], node)),
  },
};

export function intrinsicOf(run: Evaluation, module: SourceModule, name: string): NativeFunction | undefined {
  if (run.project.isUserFile(module.file)) return undefined;
  return ownEntry(ownEntry(intrinsics, path.posix.basename(module.file.fileName)) ?? {}, name);
}

function nameOf(fn: StaticValue): string {
  return fn instanceof Closure || fn instanceof NativeFunction ? fn.name : "";
}

/* ---------------------------------------------------------------- primitives */

function callPrimitive(run: Evaluation, name: string, args: readonly StaticValue[], node: ts.Node): StaticValue {
  const entry = surface[name];
  if (entry === undefined) throw new Error(`lib has no primitive "${name}"`);
  const given = args.map((argument) => toSurface(run, argument, node));
  try {
    const result = makeOps(run, node, (b) => {
      const made = entry(b, contextOf(run, node), ...given);
      for (const { type } of made instanceof Value ? [made] : made) refuseUncountable(type);
      return made;
    });
    return result instanceof Value ? tensorOf(run, result) : result.map((value) => tensorOf(run, value));
  } catch (error) {
    if (!(error instanceof Refusal) || error.diagnostic.help !== undefined) throw error;
    const help = suggestTensor(run, args, (candidate) => {
      run.b.region([], () => (entry(run.b, onlyProven, ...candidate.map((argument) => toSurface(run, argument, node))), []));
    });
    throw help === undefined ? error : new Refusal({ ...error.diagnostic, help });
  }
}

/** Kernels count elements in 64 bits and sizes are JavaScript numbers: past 2^53 neither would be right. */
function refuseUncountable(type: Type): void {
  if (type.kind !== "tensor") return;
  const count = elementCount(type.shape);
  if (typeof count === "number" && count > Number.MAX_SAFE_INTEGER) {
    throw new TypeFault("a tensor has at most 2^53 elements", [`${printType(type)} has ${count}`]);
  }
}

function toSurface(run: Evaluation, value: StaticValue, node: ts.Node): SurfaceArgument {
  if (value === null) return undefined;
  if (value instanceof TensorValue) return use(run, value, node);
  if (value instanceof RuntimeNumber) return new TracedNumber(use(run, value, node));
  if (value instanceof DimValue) return value.dim;
  if (value instanceof DimQuotient) return new TracedNumber(runtimeOperand(run, value, node));
  if (isArray(value)) return value.map((item) => toSurface(run, item, node));
  if (value instanceof ObjectValue && !(value instanceof CollectionValue)) return Object.fromEntries([...value.fields].map(([key, item]) => [key, toSurface(run, item, node)]));
  known(run, value, "an operand", node);
  if (value === undefined || typeof value === "number" || typeof value === "string" || typeof value === "boolean") return value;
  return refuse(run, node, "TSDL2001", `${describe(value)} is no operand of a tensor op`, { help: "operands are tensors, numbers, sizes and lists of these" });
}

/** Thrown when two dims turned out to be one: the model is evaluated again with one name put for the other. */
export class DimsUnified extends Error {
  readonly dimName: string;
  readonly replacement: Dim;
  constructor(name: string, replacement: Dim) {
    super(`${name} is ${printDim(replacement)}`);
    this.name = "DimsUnified";
    this.dimName = name;
    this.replacement = replacement;
  }
}

/**
 * Two dims that must be equal: a name that stands alone is replaced by the other dim everywhere, and a guard makes
 * sure of it when the program is called. A name against a number is an error: the type says that any size will do.
 */
function contextOf(run: Evaluation, node: ts.Node): SurfaceContext {
  return {
    requireEqual(left, right, reason) {
      for (const [alone, other] of [[right, left], [left, right]] as const) {
        const [name, ...more] = namesOfDim(alone);
        if (name === undefined || more.length > 0 || printDim(alone) !== name) continue;
        if (typeof other === "number" || namesOfDim(other).includes(name)) continue;
        const guard = { left: namedDim(name), relation: "==", right: other, reason, spans: spansAt(run, node) } as const;
        run.equalities.set(name, { dim: other, guard });
        throw new DimsUnified(name, other);
      }
      const names = [...new Set([...namesOfDim(left), ...namesOfDim(right)])];
      const literal = typeof left === "number" ? left : typeof right === "number" ? right : undefined;
      throw new TypeFault(
        reason,
        [`${names.join(" and ")} can be any size`],
        literal === undefined
          ? "give both the same name in the types of the parameters, if they are always equal"
          : `write ${literal} instead of "${names.join('" and "')}" in the type of the parameter, if it is always ${literal}`,
      );
    },
    requireAtMost(smaller, larger, reason) {
      const key = `${printDim(smaller)} <= ${printDim(larger)}`;
      if (!run.bounds.has(key)) run.bounds.set(key, { left: smaller, relation: "<=", right: larger, reason, spans: spansAt(run, node) });
    },
  };
}

/* ---------------------------------------------------------------- trees */

function mapTree(run: Evaluation, fn: StaticValue, first: StaticValue, others: readonly StaticValue[], path: Path, node: ts.Node): StaticValue {
  const where = path.length === 0 ? "the trees" : `the trees at ${pathName(path)}`;
  const mismatch = (other: StaticValue): never =>
    refuse(run, node, "TSDL2001", `mapTree needs trees of one structure, and ${where} differ`, { label: `${describe(first)} against ${describe(other)}` });
  if (isArray(first)) {
    for (const other of others) if (!isArray(other) || other.length !== first.length) mismatch(other);
    return first.map((item, i) => mapTree(run, fn, item, others.map((other) => (isArray(other) ? other[i] : undefined)), [...path, i], node));
  }
  if (first instanceof ObjectValue && !(first instanceof CollectionValue)) {
    refuseHidden(run, first, "mapTree", node);
    const keys = [...first.fields.keys()];
    for (const other of others) {
      if (!(other instanceof ObjectValue) || other.fields.size !== keys.length || !keys.every((key) => other.fields.has(key))) mismatch(other);
    }
    return first.like(
      keys.map((key) => [key, mapTree(run, fn, first.fields.get(key), others.map((other) => (other instanceof ObjectValue ? other.fields.get(key) : undefined)), [...path, key], node)]),
    );
  }
  if (first instanceof TensorValue || isNumeric(first)) {
    for (const other of others) if (!(other instanceof TensorValue) && !isNumeric(other)) mismatch(other);
    return callValue(run, fn, [first, ...others], node);
  }
  return refuse(run, node, "TSDL2001", "the leaves of a tree must be tensors or numbers", { label: `${path.length === 0 ? "it" : pathName(path)} is ${describe(first)}` });
}
