/**
 * The surface table: what each primitive of the library means in IR, by name.
 *
 * A primitive takes what the user wrote (tensors, numbers, dims, lists) and appends ops. This is where NumPy's
 * conveniences live, so that the IR needs none: implicit broadcasting, numbers beside tensors, negative axes, `-1` in
 * a shape. A new elementwise op is one line in surface/elementwise.ts and one method in tensor.ts.
 */

import type { SurfaceFunction } from "./surface/argument.ts";
import { contract } from "./surface/contract.ts";
import { creation } from "./surface/creation.ts";
import { elementwise } from "./surface/elementwise.ts";
import { indexing } from "./surface/indexing.ts";
import { reduce } from "./surface/reduce.ts";
import { shape } from "./surface/shape.ts";

export {
  type SurfaceArgument,
  type SurfaceContext,
  type SurfaceFunction,
  TracedNumber,
  onlyProven,
} from "./surface/argument.ts";

const table = { ...elementwise, ...reduce, ...shape, ...contract, ...indexing, ...creation } satisfies Record<string, SurfaceFunction>;

export type PrimitiveName = keyof typeof table;

export const surface: Readonly<Record<string, SurfaceFunction>> = table;
