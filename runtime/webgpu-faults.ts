/**
 * What goes wrong on a WebGPU device, which always comes later: error scopes, and the loss of the device.
 *
 * Errors of what was submitted arrive through promises, in the order of the submissions. `guard` puts each into one
 * chain, so that when `settled()` resolves every error of what was done before is known, and where it belongs.
 */

import { DeviceError } from "./errors.ts";

/** The words of an error, without the lines of Dawn's own source that some end with. */
export function wordsOf(error: unknown): string {
  const text = typeof error === "object" && error !== null && "message" in error ? String(error.message) : String(error);
  return text.split("\n").filter((line) => !/^\s+at /.test(line)).join("\n").trim();
}

export class Faults {
  readonly #device: GPUDevice;
  readonly #waiting = new Set<(error: DeviceError) => void>();
  #settled: Promise<void> = Promise.resolve();
  #lost: DeviceError | undefined;
  /** Resolves when the device is lost. */
  readonly loss: Promise<DeviceError>;

  /** `description` names the adapter. */
  constructor(device: GPUDevice, description: string) {
    this.#device = device;
    this.loss = device.lost.then(({ reason, message }) => {
      const why = [reason === "destroyed" ? "it was destroyed" : "", message].filter((part) => part !== "").join(": ");
      this.#lost = new DeviceError(
        `the device webgpu (${description}) was lost${why === "" ? "" : `: ${why}`}; its tensors are gone: open it again with device("webgpu"), and load packages again`,
      );
      for (const reject of this.#waiting) reject(this.#lost);
      this.#waiting.clear();
      return this.#lost;
    });
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  /** Throws when the device is lost. */
  requireDevice(): void {
    if (this.#lost !== undefined) throw this.#lost;
  }

  /** Does something whose errors of these kinds are then handed to `settle`, after those of all guards before. */
  guard<T>(filters: readonly GPUErrorFilter[], action: () => T, settle: (errors: readonly GPUError[]) => void): T {
    for (const filter of filters) this.#device.pushErrorScope(filter);
    try {
      return action();
    } finally {
      // A lost device may refuse: what it did is then nobody's concern.
      const errors = filters.map(() => this.#device.popErrorScope().catch(() => null));
      this.#settled = this.#settled.then(async () => settle((await Promise.all(errors)).filter((error) => error !== null)));
    }
  }

  /** When the errors of everything done so far are known. */
  settled(): Promise<void> {
    return this.#settled;
  }

  /** The outcome of a promise, or the loss of the device if that comes first. */
  orLost<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      // Not a race with `loss`: a promise that is never settled would keep all of its races.
      if (this.#lost === undefined) this.#waiting.add(reject);
      else reject(this.#lost);
      promise.then(resolve, reject).finally(() => this.#waiting.delete(reject));
    });
  }
}
