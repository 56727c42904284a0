/**
 * Endings: how memory of handles that nobody released comes back, where only JavaScript can release it.
 *
 * A browser has FinalizationRegistry, which tells of what was collected between two tasks: a loop that never waits hears
 * of nothing, and the collector does not know how much hangs on a handle. The addon of Node tells at once, when it is
 * asked, and tells V8 of the bytes; so there such a loop holds no more than what it uses.
 */

import type { NativeEndings } from "./addon.ts";

/** A handle that can be watched. */
export interface Watchable<Ticket> {
  /** What is released when the handle is gone; it must not lead to the handle. */
  readonly ticket: Ticket;
  /** For the addon: it is collected with the handle. */
  token?: object;
}

export interface Endings<Ticket> {
  watch(handle: Watchable<Ticket>, bytes: number): void;
  /** The handle was released by hand. */
  forget(handle: Watchable<Ticket>): void;
  /** Releases what is known to be gone; called before something is allocated. */
  collect(): void;
}

export type MakeEndings = <Ticket extends object>(release: (ticket: Ticket) => void) => Endings<Ticket>;

/** By the engine's own registry, between two tasks. */
export const registryEndings: MakeEndings = <Ticket extends object>(release: (ticket: Ticket) => void): Endings<Ticket> => {
  const registry = new FinalizationRegistry<Ticket>(release);
  return {
    watch: (handle) => registry.register(handle, handle.ticket, handle.ticket),
    forget: ({ ticket }) => void registry.unregister(ticket),
    collect: () => undefined,
  };
};

/**
 * What V8 is told beside the bytes of a buffer: bind groups, encoders and command buffers of the run that made it are
 * objects of a few words for V8, and of kilobytes for Dawn, which has them until the collector comes (10 KB for a run of
 * one kernel, measured with Dawn on lavapipe).
 */
const recordBytes = 10_000;

/** By the addon, at once. */
export function nativeEndings(open: () => NativeEndings): MakeEndings {
  return <Ticket extends object>(release: (ticket: Ticket) => void): Endings<Ticket> => {
    const native = open();
    const tickets = new Map<number, Ticket>();
    const numbers = new Map<Ticket, number>();
    let next = 0;
    return {
      watch(handle, bytes) {
        const number = next++;
        tickets.set(number, handle.ticket);
        numbers.set(handle.ticket, number);
        handle.token = native.watch(number, bytes + recordBytes);
      },
      forget({ ticket, token }) {
        const number = numbers.get(ticket);
        if (number === undefined) return;
        numbers.delete(ticket);
        tickets.delete(number);
        if (token !== undefined) native.forget(token);
      },
      collect() {
        for (const number of native.take() ?? []) {
          const ticket = tickets.get(number);
          if (ticket === undefined) continue;
          tickets.delete(number);
          numbers.delete(ticket);
          release(ticket);
        }
      },
    };
  };
}
