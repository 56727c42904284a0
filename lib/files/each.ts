/** Waiting for many things, several at once. */

/** How many tensors are read or written at once: enough to keep a disk or a device busy, few enough for memory. */
const width = 8;

/**
 * Calls `work` for every item, `width` at a time and in order. After a failure no other is begun; it is thrown when all
 * that had begun have ended, so that nothing uses a file that the caller then closes.
 */
export async function eachAtOnce<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const rest = items[Symbol.iterator]();
  let failed = false;
  const worker = async (): Promise<void> => {
    for (let next = rest.next(); next.done !== true && !failed; next = rest.next()) {
      try {
        await work(next.value);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: width }, worker));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}
