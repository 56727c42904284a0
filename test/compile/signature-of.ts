/** A signature for a function of plain tensors: each parameter and result is a leaf of its own. */

import { namesOfDim } from "../../ir/dim.ts";
import type { Func } from "../../ir/module.ts";
import type { Signature } from "../../ir/signature.ts";
import type { TensorType } from "../../ir/type.ts";
import { tensorTypeOf } from "../../ir/type-of.ts";

export function signatureOf(func: Func, donated: readonly number[] = []): Signature {
  const types = [...func.body.parameters, ...func.body.yields].map(tensorTypeOf);
  const names = new Set(types.flatMap((type) => type.shape.flatMap(namesOfDim)));
  const leaf = (type: TensorType) => ({ kind: "tensor", type }) as const;
  return {
    name: func.name,
    dims: [...names].map((name) => ({ name, min: 0, max: undefined })),
    parameters: func.body.parameters.map((value, i) => ({
      name: func.parameterNames[i] ?? `p${i}`,
      tree: leaf(tensorTypeOf(value)),
      donated: donated.includes(i),
    })),
    result: { kind: "array", items: func.body.yields.map((value) => leaf(tensorTypeOf(value))) },
    mutations: [],
    guards: [],
    doc: undefined,
    span: { file: "test.ir", line: 1, column: 1, length: 1 },
  };
}
