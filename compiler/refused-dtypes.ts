/**
 * Dtypes that a target does not have, as diagnostics of the user's program: passes find them, and know no TypeScript.
 */

import { explainMissing, type MissingDType, MissingDTypeError } from "../passes/missing-dtypes.ts";
import { PassError } from "../passes/pipeline.ts";
import { type Diagnostic, DiagnosticsError } from "./diagnostics.ts";

/** What `compile` returns; a MissingDTypeError, its own or a pass's, is thrown as a DiagnosticsError. */
export async function diagnosingDTypes<T>(compile: () => T | Promise<T>): Promise<T> {
  try {
    return await compile();
  } catch (error) {
    const refusal = error instanceof PassError ? error.cause : error;
    if (!(refusal instanceof MissingDTypeError)) throw error;
    throw new DiagnosticsError(refusal.missing.map((missing) => diagnose(missing, refusal)));
  }
}

function diagnose(missing: MissingDType, { limits }: MissingDTypeError): Diagnostic {
  const [span] = missing.spans;
  return {
    code: "TSDL5001",
    message: explainMissing(limits, missing),
    labels: span === undefined ? [] : [{ span, text: "" }],
    notes: [`${limits.tier} has ${limits.dtypes.join(", ")}; a number of JavaScript is f32 there`],
    help: `${missing.advice}; or build without --target ${limits.target}`,
  };
}
