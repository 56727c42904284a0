/**
 * The order of runs and reads: first in, first out.
 *
 * A job that ends at once, as most do, is done when it is added: the queue of WebGPU itself keeps the order from there.
 * While a job waits for the device, because its run branches, those added after it wait behind it.
 */

/** Gives a promise when it has to wait; the promise must not reject. */
export type Job = () => Promise<void> | undefined;

export class RunQueue {
  readonly #jobs: Job[] = [];
  #isBusy = false;

  add(job: Job): void {
    this.#jobs.push(job);
    this.#advance();
  }

  #advance(): void {
    while (!this.#isBusy) {
      const waits = this.#jobs.shift()?.();
      if (waits === undefined) {
        if (this.#jobs.length === 0) return;
        continue;
      }
      this.#isBusy = true;
      void waits.finally(() => {
        this.#isBusy = false;
        this.#advance();
      });
    }
  }
}
