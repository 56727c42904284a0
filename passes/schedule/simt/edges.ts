/** Groups of neighbouring rows or columns at the edge of what they are of: one test for a group, where it can be. */

import type { Builder } from "../../../ir/builder.ts";
import type { Dim } from "../../../ir/dim.ts";
import type { Value } from "../../../ir/module.ts";
import { isMultiple } from "../choose-tile.ts";
import { range } from "../loops.ts";
import { whenBelow } from "./block.ts";

export interface Group {
  /** The first index, a multiple of `count`. */
  readonly first: Value;
  readonly count: number;
  /** Of the axis; and what its tiles are long, of which one may be partly outside. */
  readonly extent: Dim;
  readonly tile: number;
}

/** body for each index of a group that is below the extent, with its place in the group; in one list of ops if all are or none. */
export function eachBelow(b: Builder, { first, count, extent, tile }: Group, body: (index: Value, place: number) => void): void {
  const indexAt = (place: number): Value => (place === 0 ? first : b.add(first, place));
  if (isMultiple(extent, count)) whenBelow(b, first, extent, tile, () => range(count).forEach((place) => body(indexAt(place), place)));
  else for (const place of range(count)) whenBelow(b, indexAt(place), extent, tile, () => body(indexAt(place), place));
}
