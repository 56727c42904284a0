/**
 * Rules for what NVIDIA's compilers say of a kernel. Each costs much speed when it is broken and changes no result, so
 * no other test would see it:
 *
 * | rule      | what                                                                                  |
 * |-----------|---------------------------------------------------------------------------------------|
 * | spill     | registers are kept in memory because there are too few                                 |
 * | stack     | a local array is in memory, because it is indexed by what is not known when compiling  |
 * | C7508     | ptxas ignores setmaxnreg                                                               |
 * | C7511     | ptxas puts wgmma instructions one after the other: a function call stands between them |
 * | C7519     | the same: their registers are used in between                                          |
 *
 * lint-allowed.json holds the exceptions, each with the reason for it. One that nothing needs is a finding too.
 */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Compilation } from "./real-compiler.ts";

export type Rule = "spill" | "stack" | "C7508" | "C7511" | "C7519";

export interface Finding {
  readonly rule: Rule;
  /** A kernel's name; of ptxas's warnings the whole text is meant, because they do not always name one. */
  readonly kernel?: string;
  readonly words: string;
}

export interface Allowance {
  readonly rule: Rule;
  /** A regular expression for names of kernels. */
  readonly kernel?: string;
  readonly reason: string;
}

function covers(one: Allowance, { rule, kernel }: Finding): boolean {
  return one.rule === rule && (one.kernel === undefined || (kernel !== undefined && new RegExp(one.kernel).test(kernel)));
}

const warnings = ["C7508", "C7511", "C7519"] as const;

export function lint({ log, kernels }: Compilation): readonly Finding[] {
  return [...spills(kernels), ...stackFrames(kernels), ...warnings.flatMap((rule) => warned(log, rule))];
}

export function spills(kernels: Compilation["kernels"]): readonly Finding[] {
  return kernels.filter(({ spillBytes }) => spillBytes > 0).map(({ name, spillBytes, registers }) => ({
    rule: "spill", kernel: name, words: `${name} spills ${spillBytes} bytes beside ${registers} registers`,
  }));
}

export function stackFrames(kernels: Compilation["kernels"]): readonly Finding[] {
  return kernels.filter(({ stackBytes }) => stackBytes > 0).map(({ name, stackBytes }) => ({
    rule: "stack", kernel: name, words: `${name} has ${stackBytes} bytes of stack: a local array that is indexed by a variable`,
  }));
}

export function warned(log: string, rule: (typeof warnings)[number]): readonly Finding[] {
  return log.split("\n").filter((line) => line.includes(`(${rule})`)).map((line) => ({ rule, words: line.trim() }));
}

export async function allowances(): Promise<readonly Allowance[]> {
  return JSON.parse(await readFile(join(import.meta.dirname, "lint-allowed.json"), "utf8")) as readonly Allowance[];
}

/** Findings that no allowance covers, as one line each. */
export function unallowed(findings: readonly Finding[], allowed: readonly Allowance[]): readonly string[] {
  return findings.filter((finding) => !allowed.some((one) => covers(one, finding))).map(({ rule, words }) => `${rule}: ${words}`);
}

/** Allowances that cover none of all findings of a test run: they would hide the next fault. */
export function unneeded(findings: readonly Finding[], allowed: readonly Allowance[]): readonly string[] {
  return allowed
    .filter((one) => !findings.some((finding) => covers(one, finding)))
    .map(({ rule, kernel }) => `lint-allowed.json allows ${rule}${kernel === undefined ? "" : ` of ${kernel}`}, which nothing needs`);
}
