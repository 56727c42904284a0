/** The signature of a function that came without one, from text: each parameter a tensor, the results a tuple. */

import { addDims, type Dim, isNeverNegative, mulDims, namesOfDim, printDim, subDims } from "../ir/dim.ts";
import { type Func, visitOps } from "../ir/module.ts";
import type { DimGuard, Signature, SignatureTree } from "../ir/signature.ts";
import type { TensorType, Type } from "../ir/type.ts";

/** Undefined for a function that has kernel-level parameters or results, which nobody can pass from outside. */
export function flatSignature(func: Func, file: string): Signature | undefined {
  const parameters = func.body.parameters.map(({ type }) => type);
  const results = func.body.yields.map(({ type }) => type);
  if (!parameters.every(isTensorType) || !results.every(isTensorType)) return undefined;
  const [only] = results;
  const leaf = (type: TensorType): SignatureTree => ({ kind: "tensor", type });
  return {
    name: func.name,
    dims: namesOf(parameters.flatMap(({ shape }) => shape)).map((name) => ({ name, min: 0, max: undefined })),
    parameters: parameters.map((type, position) => ({ name: func.parameterNames[position] ?? `argument${position}`, tree: leaf(type), donated: false })),
    result: results.length === 1 && only !== undefined ? leaf(only) : { kind: "array", items: results.map(leaf) },
    mutations: [],
    guards: sliceGuards(func),
    doc: undefined,
    span: { file, line: 1, column: 1, length: 1 },
  };
}

/** That slices by named dims stay inside of what they slice, where it cannot be proved: the frontend's models have these too. */
function sliceGuards(func: Func): readonly DimGuard[] {
  const guards: DimGuard[] = [];
  const require = (smaller: Dim, larger: Dim, reason: string, spans: DimGuard["spans"]): void => {
    if (!isNeverNegative(subDims(larger, smaller))) guards.push({ left: smaller, relation: "<=", right: larger, reason, spans });
  };
  visitOps(func.body, ({ name, operands: [x], attrs, spans }) => {
    if (name !== "slice" || x?.type.kind !== "tensor") return;
    const [starts, sizes, strides] = [attrs["starts"], attrs["sizes"], attrs["strides"]] as [readonly Dim[], readonly Dim[], readonly number[]];
    x.type.shape.forEach((dim, axis) => {
      const [start = 0, size = 0, stride = 1] = [starts[axis], sizes[axis], strides[axis]];
      const end = addDims(start, mulDims(stride, subDims(size, 1)), 1);
      const reason = `a slice must stay inside of axis ${axis}, whose size is ${printDim(dim)}`;
      require(0, start, reason, spans);
      require(end, dim, reason, spans);
    });
  });
  return guards;
}

function isTensorType(type: Type): type is TensorType {
  return type.kind === "tensor";
}

function namesOf(dims: readonly Dim[]): readonly string[] {
  return [...new Set(dims.flatMap(namesOfDim))];
}
