/**
 * Errors on their way out of a command: the text for the user and the exit code.
 *
 * 1: the user's program is at fault and diagnostics say where. 2: the command cannot be carried out as given.
 * 3: the fault is in tsdlc or in a tool that it runs. The last kind says that it is a bug, and keeps the module that
 * a pass failed on, whose text replays the failure with `tsdlc opt`.
 */

import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createColors } from "picocolors";
import type { DiagnosticsError } from "./diagnostics.ts";
import type { Surroundings } from "./options.ts";
import { UsageError } from "./usage-error.ts";

export const exitCodes = { ok: 0, diagnostics: 1, usage: 2, internal: 3 } as const;

export interface ErrorReport {
  readonly text: string;
  readonly exitCode: number;
}

export async function reportError(error: unknown, { colours, debug }: Surroundings): Promise<ErrorReport> {
  const paint = createColors(colours);
  const head = paint.red(paint.bold("error"));
  const help = (text: string | undefined): string => (text === undefined ? "" : `${paint.green("help")}: ${text}\n`);

  if (error instanceof UsageError) {
    return { text: `${head}: ${error.message}\n${help(error.help)}`, exitCode: exitCodes.usage };
  }
  if (isDiagnosticsError(error)) {
    // Loaded here because only a program with faults needs it.
    const { renderDiagnostic } = await import("./diagnostics.ts");
    const frames = error.diagnostics.map((diagnostic) => renderDiagnostic(diagnostic, { colours }));
    return { text: `${frames.join("\n")}\n${countErrors(frames.length)}\n`, exitCode: exitCodes.diagnostics };
  }
  const { ArgumentError, CompileError, DataFormatError, PackageError, TsdlcError } = await import("tsdlc-runtime");
  // The runtime's errors say what to do; only C that the compiler refuses is our fault.
  if (error instanceof TsdlcError && !(error instanceof CompileError)) {
    const isInput = error instanceof ArgumentError || error instanceof PackageError || error instanceof DataFormatError;
    return { text: `${head}: ${error.message}\n`, exitCode: isInput ? exitCodes.usage : exitCodes.internal };
  }
  const message = error instanceof Error ? error.message : String(error);
  const refusal = systemHelp[systemCode(error)];
  if (refusal !== undefined) return { text: `${head}: ${message}\n${help(refusal)}`, exitCode: exitCodes.internal };
  const lines = [`${head}: ${message}\n`, "This is a bug in tsdlc, not in your program. Please report it with the command that you ran.\n"];
  const reproducer = reproducerOf(error);
  if (reproducer !== undefined) lines.push(`The module before the failing pass is in ${await saveReproducer(reproducer)}\n`);
  if (error instanceof Error && error.stack !== undefined) {
    lines.push(debug ? `${paint.dim(error.stack)}\n` : help("TSDLC_DEBUG=1 shows where it happened"));
  }
  return { text: lines.join(""), exitCode: exitCodes.internal };
}

/** What the system refuses is a fault of neither program; what a user can do about each. */
const systemHelp: Readonly<Record<string, string>> = {
  ENOSPC: "make room on that disk, or name another folder",
  EDQUOT: "make room within your quota, or name another folder",
  EACCES: "allow it, or name another folder",
  EPERM: "allow it, or name another folder",
  EROFS: "that disk cannot be written to: name another folder",
  ENAMETOOLONG: "use a shorter name",
  EMFILE: "close other programs, or allow more open files (ulimit -n)",
};

function systemCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** By name, so that the class need not be loaded to say no. */
export function isDiagnosticsError(error: unknown): error is DiagnosticsError {
  return error instanceof Error && error.name === "DiagnosticsError";
}

function countErrors(count: number): string {
  return count === 1 ? "1 error" : `${count} errors`;
}

function reproducerOf(error: unknown): string | undefined {
  // A PassError; not imported, because most errors are of another kind and passes are slow to load.
  return error instanceof Error && error.name === "PassError" && "ir" in error && typeof error.ir === "string" ? error.ir : undefined;
}

async function saveReproducer(text: string): Promise<string> {
  const path = join(await mkdtemp(join(tmpdir(), "tsdlc-")), "reproducer.ir");
  await writeFile(path, text);
  return path;
}
