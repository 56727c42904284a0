/** Scripts in processes of their own: for how a process ends, what another environment changes, and several threads. */

import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

export const root = resolve(import.meta.dirname, "..", "..");

/** Options with which Node runs the repository's TypeScript from standard text. */
export const nodeFlags: readonly string[] = ["--import", "tsx", "--conditions=source", "--input-type=module"];

export interface ScriptOptions {
  readonly folder?: string;
  /** Beside the environment of this process; undefined takes a variable away. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly nodeOptions?: readonly string[];
  /** Milliseconds; a minute when absent. */
  readonly timeout?: number;
}

/** Runs a module whose imports are relative to `folder`, the repository when absent. */
export function runScript(script: string, { folder = root, environment = {}, nodeOptions = [], timeout = 60_000 }: ScriptOptions = {}): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [...nodeOptions, ...nodeFlags, "-e", script], {
    cwd: folder, encoding: "utf8", env: { ...process.env, ...environment }, timeout,
  });
}

/**
 * A script that runs `body` in so many workers at once and prints what each said by `say(value)`, separated by commas.
 * In the body, `load(path)` imports a TypeScript file of the repository; `before` runs in the main thread first.
 */
export function workersScript(count: number, body: string, before = ""): string {
  const base = pathToFileURL(`${root}/`).href;
  const text = `
    import { parentPort } from "node:worker_threads";
    import { tsImport } from "tsx/esm/api";
    const load = (path) => tsImport(new URL(path, ${JSON.stringify(base)}).href, ${JSON.stringify(base)});
    const say = (value) => parentPort.postMessage(value);
    ${body}
  `;
  return `
    import { Worker } from "node:worker_threads";
    ${before}
    const text = ${JSON.stringify(text)};
    const results = await Promise.all(Array.from({ length: ${count} }, () => new Promise((resolve, reject) => {
      const worker = new Worker(text, { eval: true });
      let message;
      worker.on("message", (value) => (message = value));
      worker.on("error", reject);
      worker.on("exit", () => resolve(message));
    })));
    console.log(results.join());
  `;
}
