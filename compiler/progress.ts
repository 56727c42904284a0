/**
 * Phases of a command with their times, on standard error: one live line on a terminal, plain lines elsewhere.
 *
 *     check 0.61 s · frontend 0.20 s · passes 0.11 s · cc v4 …
 */

import { createColors } from "picocolors";

export interface Progress {
  /** Runs a phase and reports how long it took; phases do not nest. */
  phase<T>(name: string, work: () => T | Promise<T>): Promise<T>;
  /** Ends the live line, before other output. */
  finish(): void;
}

export interface ProgressOptions {
  readonly live: boolean;
  readonly colours: boolean;
  readonly write: (text: string) => void;
}

export function createProgress({ live, colours, write }: ProgressOptions): Progress {
  const paint = createColors(colours);
  let done = "";
  let pending = false;
  const show = (text: string): void => {
    write(`\r\x1b[2K${text}`);
    pending = true;
  };
  return {
    async phase(name, work) {
      if (live) show(`${done}${name} …`);
      const start = performance.now();
      const result = await work();
      const time = `${((performance.now() - start) / 1000).toFixed(2)} s`;
      if (live) {
        done += `${name} ${paint.dim(time)} · `;
        show(done.slice(0, -3));
      } else {
        write(`${name} ${time}\n`);
      }
      return result;
    },
    finish() {
      if (pending) write("\n");
      pending = false;
    },
  };
}
