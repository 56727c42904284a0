/**
 * "did you mean p.w1, which is f32[784,128]?": when a tensor does not fit an op, the other tensors that the user can
 * name at that place are tried, and the one that fits is suggested. Trying builds ops in a region that is thrown away.
 */

import { ts } from "ts-morph";
import { printType } from "../../ir/type.ts";
import type { Evaluation } from "./evaluation.ts";
import { visibleBindings } from "./scope.ts";
import { isArray, ObjectValue, type StaticValue, TensorValue } from "./value.ts";

export function suggestTensor(run: Evaluation, args: readonly StaticValue[], attempt: (args: readonly StaticValue[]) => void): string | undefined {
  const site = run.frames.at(-1)?.site;
  const scope = site === undefined ? undefined : run.scopesOfCalls.get(site);
  if (site === undefined || scope === undefined || !ts.isCallExpression(site) || !run.project.isUserFile(site.getSourceFile())) return undefined;
  const last = args.length - 1;
  const wrong = args[last];
  if (last < 1 || !(wrong instanceof TensorValue)) return undefined;
  const fitting = visibleBindings(scope)
    .flatMap(([name, value]) => namedTensors(name, value))
    .filter(([, tensor]) => !args.includes(tensor) && printType(tensor.type) !== printType(wrong.type) && tensor.type.dtype === wrong.type.dtype && fits([...args.slice(0, last), tensor], attempt));
  // Among several that fit, those of the rank that was given are likelier to be meant.
  const [best, ...others] = [...fitting.filter(([, tensor]) => tensor.type.shape.length === wrong.type.shape.length)];
  if (best === undefined || others.length > 0) return undefined;
  return `did you mean ${best[0]}, which is ${printType(best[1].type)}?`;
}

function fits(args: readonly StaticValue[], attempt: (args: readonly StaticValue[]) => void): boolean {
  try {
    attempt(args);
    return true;
  } catch {
    // Whatever is wrong with the attempt, it is not what the user wrote; only success is of interest.
    return false;
  }
}

function namedTensors(name: string, value: StaticValue, depth = 0): readonly (readonly [string, TensorValue])[] {
  if (name === "this") return [];
  if (value instanceof TensorValue) return [[name, value]];
  if (depth >= 2) return [];
  if (value instanceof ObjectValue) return [...value.fields].flatMap(([key, item]) => namedTensors(`${name}.${key}`, item, depth + 1));
  if (isArray(value)) return value.flatMap((item, i) => namedTensors(`${name}[${i}]`, item, depth + 1));
  return [];
}
