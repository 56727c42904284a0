/**
 * Takes what must be there, or throws with the facts. What is missing here is a fault of tsdlc: rules that a program
 * can break throw a TypeFault instead (ops/check.ts).
 */

/** The item at a position, counted from the end if it is negative. */
export function at<T>(items: readonly (T | undefined)[], position: number): T {
  const item = items.at(position);
  if (item === undefined) throw new RangeError(`there is no item ${position} of ${items.length}`);
  return item;
}

/** The only item. */
export function only<T>(items: readonly (T | undefined)[]): T {
  if (items.length !== 1) throw new RangeError(`expected one item, there are ${items.length}`);
  return at(items, 0);
}

/** The value; `fault` is the sentence that is true when there is none. */
export function present<T>(value: T | undefined, fault: string): T {
  if (value === undefined) throw new RangeError(fault);
  return value;
}
