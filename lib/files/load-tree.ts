/**
 * Weights under the names of other libraries, as a tree. A leaf's name is its path with dots, which is what PyTorch and
 * Hugging Face call it: the leaf at `layers[0].weight` is "layers.0.weight".
 */

import { ArgumentError, isTensor } from "tsdlc-runtime";
import { eachAtOnce } from "./each.ts";
import type { AnyTensor } from "./elements.ts";
import { quote } from "./json.ts";
import { nameOfPath } from "./name.ts";
import type { TensorSource } from "./safetensors.ts";
import { foldTree, printTensorType, refillTree, type Restored } from "./tree.ts";
import { compareTypes, describeReport, type TreeReport } from "./tree-report.ts";

export interface LoadTreeOptions {
  /**
   * What a tensor of the file is called in the tree; undefined for one that is not wanted.
   * `(name) => name.replace(/^model[.]/, "")`
   */
  readonly rename?: (name: string) => string | undefined;
  /** Whether names that are missing or not expected are an error, as they are unless this is false. */
  readonly strict?: boolean;
}

/**
 * A tree like `like`, whose leaves are tensors or `{ dtype, shape }`, with the tensors of a file at their places, and a
 * report of what did not agree. Other leaves stay as they are. Several sources count as one, as when weights come in
 * parts.
 *
 *     const file = await openSafetensors("model.safetensors");
 *     const { tree } = await loadTree({ layers: [{ weight: { dtype: "f32", shape: [4, 3] } }] }, file);
 *
 * Rejects with ArgumentError, before anything is read, for a tensor of another type, and for names that are missing or
 * not expected; with `strict: false` these are in the report alone, and a tensor of `like` stays where the file has none.
 */
export async function loadTree<const T>(like: T, source: TensorSource | readonly TensorSource[], options: LoadTreeOptions = {}): Promise<{ readonly tree: Restored<T>; readonly report: TreeReport }> {
  const sources: readonly TensorSource[] = Array.isArray(source) ? source as readonly TensorSource[] : [source as TensorSource];
  const { expected, given } = namesOf(like);
  const { found, origins } = tensorsOf(sources, options.rename ?? ((name) => name));
  const report = compareTypes(expected, found);
  const lacking = options.strict === false ? report.missing.filter((name) => !given.has(name)) : [...report.missing, ...report.unexpected];
  if (lacking.length + report.mismatched.length > 0) {
    throw new ArgumentError(describeReport(`loadTree: ${sources.map(({ name }) => name).join(", ")} does not fit the tree`, report, expected, found));
  }
  const tensors = new Map<string, AnyTensor>();
  await eachAtOnce([...origins].filter(([name]) => expected.has(name)), async ([name, { source: from, name: original }]) => {
    tensors.set(name, await from.read(original));
  });
  const tree = refillTree("loadTree", like, { tensor: (leaf, path) => tensors.get(nameOfPath(path)) ?? leaf, plain: (leaf) => leaf });
  return { tree: tree as Restored<T>, report };
}

/** The tensors that a tree wants, and the names of those that it has already. */
function namesOf(like: unknown): { readonly expected: ReadonlyMap<string, string>; readonly given: ReadonlySet<string> } {
  const expected = new Map<string, string>();
  const given = new Set<string>();
  const nothing = (): void => undefined;
  foldTree<void>("loadTree", like, {
    tensor(leaf, path) {
      const name = nameOfPath(path);
      if (expected.has(name)) throw new ArgumentError(`loadTree: two leaves of the tree are called ${quote(name)}: fields with dots in their names stand beside fields of fields`);
      expected.set(name, printTensorType(leaf));
      if (isTensor(leaf)) given.add(name);
    },
    plain: nothing, list: nothing, fields: nothing,
  });
  return { expected, given };
}

interface Origin {
  readonly source: TensorSource;
  /** What the tensor is called there. */
  readonly name: string;
}

function tensorsOf(sources: readonly TensorSource[], rename: (name: string) => string | undefined): { readonly found: ReadonlyMap<string, string>; readonly origins: ReadonlyMap<string, Origin> } {
  const found = new Map<string, string>();
  const origins = new Map<string, Origin>();
  for (const source of sources) {
    for (const [original, type] of source.tensors) {
      const name = rename(original);
      if (name === undefined) continue;
      const other = origins.get(name);
      if (other !== undefined) throw new ArgumentError(`loadTree: ${quote(original)} of ${source.name} and ${quote(other.name)} of ${other.source.name} are both ${quote(name)} of the tree: let rename give one of them another name, or undefined`);
      origins.set(name, { source, name: original });
      found.set(name, printTensorType(type));
    }
  }
  return { found, origins };
}
