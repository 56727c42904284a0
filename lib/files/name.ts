/** Names of tensors and fields: in a file any text, in a tree the path to a leaf with dots between its steps. */

import { quote } from "./json.ts";

export type Path = readonly (string | number)[];

/** `layers.0.weight`; a tree that is one leaf calls it "value". */
export function nameOfPath(path: Path): string {
  return path.length === 0 ? "value" : path.join(".");
}

/** What every JavaScript object has from birth: a field of this name would not be one of the tree's own. */
const inherited = new Set(["__proto__", "constructor"]);

/** Why a name cannot be used, or undefined. */
export function refusalOfName(name: string): string | undefined {
  const step = name.split(".").find((one) => inherited.has(one));
  return step === undefined ? undefined : `the name ${quote(name)} has the part ${step}, which every JavaScript object inherits: rename it`;
}
