/**
 * A function of the module while its body is evaluated. Values of the functions around it are captured: each becomes
 * one more parameter at the end, and whoever calls the function passes the captured values after its own arguments.
 */

import type { Func, Value } from "../../ir/module.ts";
import { Value as IrValue } from "../../ir/module.ts";
import type { Type } from "../../ir/type.ts";
import type { Evaluation } from "./evaluation.ts";
import type { RuntimeBoolean, RuntimeNumber, TensorValue } from "./value.ts";

/** What stands for an IR value, and knows whose. */
type Owned = TensorValue | RuntimeNumber | RuntimeBoolean;

export interface FunctionBuild {
  readonly parent: FunctionBuild | undefined;
  /** What is used from outside, and the parameter that stands for it here. */
  readonly captured: Map<Value, { readonly parameter: Value; readonly source: Owned }>;
  /** Module-level declarations that made ops in this function. */
  readonly moduleValues: Map<object, unknown>;
}

export interface FunctionParameter {
  readonly name: string;
  readonly type: Type;
}

export interface BuiltFunction {
  readonly func: Func;
  /** What the caller must pass after the parameters, as values of its own. */
  readonly captured: readonly Value[];
}

export function buildFunction(
  run: Evaluation,
  name: string,
  parameters: readonly FunctionParameter[],
  body: (values: readonly Value[], build: FunctionBuild) => readonly Value[],
): BuiltFunction {
  const outer = run.build;
  const build: FunctionBuild = { parent: outer, captured: new Map(), moduleValues: new Map() };
  run.build = build;
  const region = (() => {
    try {
      return run.b.region(parameters.map(({ type }) => type), (values) => body(values, build));
    } finally {
      run.build = outer;
    }
  })();
  const captures = [...build.captured.values()];
  const func: Func = {
    name,
    parameterNames: [...parameters.map((parameter) => parameter.name), ...captures.map((_, i) => `captured.${i}`)],
    body: { ...region, parameters: [...region.parameters, ...captures.map(({ parameter }) => parameter)] },
  };
  run.functions.set(name, func);
  return { func, captured: captures.map(({ source }) => useIn(outer, source) ?? leaked()) };
}

/** The value to use in the function that is being built, or undefined when it belongs to one that is finished. */
export function useIn(build: FunctionBuild | undefined, source: Owned): Value | undefined {
  if (build === undefined) return undefined;
  if (source.owner === build) return source.value;
  const present = build.captured.get(source.value);
  if (present !== undefined) return present.parameter;
  if (useIn(build.parent, source) === undefined) return undefined;
  const parameter = new IrValue(source.value.type);
  build.captured.set(source.value, { parameter, source });
  return parameter;
}

function leaked(): never {
  throw new Error("a captured value belongs to no function around");
}

/** A name that no function of the module has yet. */
export function freshName(run: Evaluation, wanted: string): string {
  const base = wanted === "" ? "anonymous" : wanted;
  if (!run.takenNames.has(base)) {
    run.takenNames.add(base);
    return base;
  }
  for (let n = 1; ; n++) {
    const name = `${base}_${n}`;
    if (run.takenNames.has(name)) continue;
    run.takenNames.add(name);
    return name;
  }
}
