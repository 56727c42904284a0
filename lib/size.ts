/**
 * Arithmetic on sizes, for composites. A size of a named axis is no number while jit traces a function
 * (eager/named-size.ts); the compiler evaluates these as the operators that they are.
 */

import { addSizes, multiplySizes } from "./eager/named-size.ts";

/** left * right */
export function times(left: number, right: number): number {
  return typeof left === "number" && typeof right === "number" ? left * right : multiplySizes(left, right);
}

/** left + right */
export function plus(left: number, right: number): number {
  return typeof left === "number" && typeof right === "number" ? left + right : addSizes(left, right);
}
