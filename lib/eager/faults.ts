/** What a rule of the surface table or of the IR says, as the error of the call that broke it. */

import { ArgumentError } from "tsdlc-runtime";
import { IrError } from "../../ir/builder.ts";
import { TypeFault } from "../../ir/op.ts";
import { PassError } from "../../passes/pipeline.ts";

export function withFaults<T>(name: string, body: () => T): T {
  try {
    return body();
  } catch (thrown) {
    throw faultOf(name, thrown);
  }
}

/** What a rule of the surface table or of the IR says, as the error of the call; other errors as they are. */
export function faultOf(name: string, thrown: unknown): unknown {
  const error = thrown instanceof PassError ? thrown.cause : thrown;
  if (!(error instanceof TypeFault || error instanceof IrError)) return thrown;
  const facts = error.facts.length === 0 || error.message.includes(error.facts.join(", ")) ? "" : ` (${error.facts.join(", ")})`;
  const help = error.help === undefined ? "" : `: ${error.help}`;
  const message = error instanceof IrError ? error.message.replace(/^\w+: /, "") : error.message;
  const place = message.startsWith(`${name} `) ? "" : `${name}: `;
  return new ArgumentError(`${place}${message}${facts}${help}`, { cause: error });
}
