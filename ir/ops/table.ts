/**
 * The op table: every op of both levels, by name.
 *
 * Builder methods use the key (`reduceSum`); text uses lower_snake (`reduce_sum`). Adding an op is adding its record
 * to a family file and its name here; ops.test.ts then finds it.
 */

import type { OpRecord } from "../op.ts";
import * as argReduce from "./arg-reduce.ts";
import * as arithmetic from "./arithmetic.ts";
import * as bits from "./bits.ts";
import * as cast from "./cast.ts";
import * as compare from "./compare.ts";
import * as constant from "./constant.ts";
import * as contraction from "./contract.ts";
import * as control from "./control.ts";
import * as elementwise from "./elementwise.ts";
import * as gather from "./gather.ts";
import * as kernel from "./kernel.ts";
import { mma, pack } from "./matrix.ts";
import * as random from "./random.ts";
import * as reductions from "./reduce.ts";
import * as scans from "./scan.ts";
import * as shape from "./shape.ts";
import * as slices from "./slice.ts";
import * as stacks from "./stack.ts";
import { shuffleXor } from "./subgroup.ts";
import { vmap } from "./vmap.ts";

const { ifElse, forLoop, whileLoop, ...controlRest } = control;

export const opTable = {
  ...elementwise,
  ...arithmetic,
  ...bits,
  ...compare,
  ...cast,
  ...constant,
  ...shape,
  ...slices,
  ...reductions,
  ...argReduce,
  ...scans,
  ...contraction,
  ...gather,
  ...random,
  ...controlRest,
  ...stacks,
  vmap,
  ...kernel,
  mma,
  pack,
  shuffleXor,
  if: ifElse,
  for: forLoop,
  while: whileLoop,
};

export type OpTable = typeof opTable;
export type OpName = keyof OpTable;

const byTextName = new Map<string, OpRecord>(Object.entries(opTable).map(([key, record]) => [textName(key), record]));

export function textName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

export function findRecord(name: string): OpRecord {
  const record = byTextName.get(name);
  if (record === undefined) throw new RangeError(`there is no op "${name}"`);
  return record;
}

export function opNames(): readonly string[] {
  return [...byTextName.keys()];
}
