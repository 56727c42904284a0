/**
 * Slots: buffers that the temporaries of a run share.
 *
 * Elsewhere temporaries are stretches of one arena. WebGPU refuses a launch that binds one buffer both to read and to
 * write, at whatever offsets, so here temporaries share whole buffers: two may have one slot when no step needs both.
 * Largest first, each takes the first slot that is free for its life: a slot has the size of the first that took it.
 */

import type { Lifetime } from "./placement.ts";

export interface Slots {
  /** The slot of each temporary, in the order of the lifetimes. */
  readonly slotOf: readonly number[];
  /** Bytes of each slot. */
  readonly bytes: readonly number[];
}

export function assignSlots(lifetimes: readonly Lifetime[]): Slots {
  const order = lifetimes.map((life, index) => ({ ...life, index }));
  order.sort((a, b) => b.bytes - a.bytes || a.first - b.first || a.index - b.index);
  const slots: { readonly bytes: number; readonly lives: Lifetime[] }[] = [];
  const slotOf = new Array<number>(lifetimes.length).fill(0);
  for (const { index, ...life } of order) {
    const free = slots.findIndex(({ lives }) => lives.every(({ first, last }) => last < life.first || life.last < first));
    if (free >= 0) slots[free]?.lives.push(life);
    slotOf[index] = free >= 0 ? free : slots.push({ bytes: life.bytes, lives: [life] }) - 1;
  }
  return { slotOf, bytes: slots.map(({ bytes }) => bytes) };
}
