/**
 * What ops that run one by one ask of Node: the device that they run on when nobody opened one, and a place for what was
 * compiled. Bundlers for browsers take host-browser.ts in its place.
 */

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Device } from "tsdlc-runtime";
import { cpuDevice } from "tsdlc-runtime/cpu";
import { hashOf, keepText, keptText } from "tsdlc-runtime/text-cache";

export function usualDevice(): Device {
  return cpuDevice();
}

/** The name under which is kept what this very compiler made of something. */
export function keptName(made: readonly string[]): string {
  return hashOf([compilerIdentity(), ...made]);
}

/** What this process or an earlier one kept under a name; undefined where there is nothing. */
export function kept(name: string): string | undefined {
  return keptText(name);
}

export function keep(name: string, text: string): void {
  keepText(name, text);
}

let identity: string | undefined;

/** The rooms whose code decides what comes out. */
const rooms = ["ir", "passes", "codegen", "lib"];

/**
 * Changes whenever the compiler's code does: a new version, or an edit to its sources. By the sizes and times of its files,
 * since reading all of them would take longer than what is kept saves for one op.
 */
function compilerIdentity(): string {
  return (identity ??= hashOf(files()));
}

function files(): readonly string[] {
  const root = join(import.meta.dirname, "..", "..");
  const listed = rooms.flatMap((room) => codeIn(root, room));
  // In a bundle there are no rooms, and all of the compiler is this file.
  return listed.length > 0 ? listed : [readFileSync(import.meta.filename, "utf8")];
}

function codeIn(root: string, room: string): readonly string[] {
  const folder = join(root, room);
  if (statSync(folder, { throwIfNoEntry: false }) === undefined) return [];
  const code = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => /(?<!\.d)\.(js|ts)$/.test(name)).sort();
  return code.map((name) => {
    const { size, mtimeMs } = statSync(join(folder, name));
    return `${room}/${name} ${size} ${mtimeMs}`;
  });
}
