/**
 * `tsdlc opt`: reads a module from text, runs passes over it, and returns the outcome as text.
 */

import { readFile } from "node:fs/promises";
import { ParseError } from "../ir/cursor.ts";
import type { Module } from "../ir/module.ts";
import { parse } from "../ir/parse.ts";
import { print } from "../ir/print.ts";
import { verify, VerifyError } from "../ir/verify.ts";
import { findLimits } from "../passes/limits.ts";
import { isPassName, kernelPipeline, passes, type PassName, runPasses, tensorPipeline } from "../passes/pipeline.ts";
import { DiagnosticsError, type Label } from "./diagnostics.ts";
import { createIrPrinter } from "./print-ir.ts";
import { diagnosingDTypes } from "./refused-dtypes.ts";
import { buildTargets } from "./tiers.ts";
import { UsageError } from "./usage-error.ts";

export interface OptRequest {
  readonly file: string;
  /** All of the pipeline when absent. */
  readonly passes: readonly string[] | undefined;
  /** "cpu", "cuda" or "wgsl". */
  readonly target: string;
  readonly architecture: string | undefined;
  readonly printIr: string | undefined;
}

export async function opt(request: OptRequest, write: (text: string) => void): Promise<string> {
  const names = request.passes?.map(passNamed) ?? [...tensorPipeline, ...kernelPipeline];
  const [tier] = buildTargets([request.target], request.architecture === undefined ? [] : [request.architecture]).tiers;
  const observer = request.printIr === undefined ? undefined : createIrPrinter(request.printIr, write);
  const module = await readModule(request.file);
  const context = tier === undefined ? {} : { limits: findLimits(tier) };
  return print(await diagnosingDTypes(() => runPasses(module, names, context, observer)));
}

/** Parses and verifies; a fault in the text is a diagnostic of the user's program. */
export async function readModule(file: string): Promise<Module> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(error.code === "ENOENT" ? `there is no file ${file}` : `${file} cannot be read: ${error.message}`);
  });
  const invalid = (message: string, labels: readonly Label[]): DiagnosticsError =>
    new DiagnosticsError([{ code: "TSDL4006", message, labels, notes: [], help: undefined }]);
  try {
    const module = parse(text);
    verify(module);
    return module;
  } catch (error) {
    if (error instanceof ParseError) {
      const { line, column } = error;
      const message = error.message.replace(/^\d+:\d+: /, "");
      throw invalid(message, [{ span: { file, line, column, length: 1 }, text: "" }]);
    }
    if (error instanceof VerifyError) throw invalid(`${file}: ${error.message}`, []);
    throw error;
  }
}

function passNamed(name: string): PassName {
  if (isPassName(name)) return name;
  throw new UsageError(`there is no pass "${name}"`, `the passes are ${Object.keys(passes).join(", ")}`);
}
