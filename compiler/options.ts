/**
 * What the compiler takes from its surroundings: environment variables, read here and nowhere else, and whether
 * the output is a terminal.
 */

import { homedir } from "node:os";
import { join } from "node:path";

export interface Surroundings {
  /** Where build records are kept: TSDLC_CACHE, or `tsdlc` in the user's cache folder. */
  readonly cacheFolder: string;
  /** Colours on standard error, where messages and progress go. */
  readonly colours: boolean;
  /** A line that is rewritten as the work goes on. */
  readonly liveProgress: boolean;
  /** The device to run on, TSDLC_DEVICE: "cuda:1". The runtime reads it itself; a command that builds first must know too. */
  readonly device: string | undefined;
  /** Stack traces of errors that are bugs. TSDLC_DEBUG=1. */
  readonly debug: boolean;
}

export function readSurroundings(): Surroundings {
  const { env, stderr } = process;
  const terminal = stderr.isTTY === true && env["TERM"] !== "dumb";
  return {
    cacheFolder: env["TSDLC_CACHE"] || join(env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "tsdlc"),
    colours: terminal && !env["NO_COLOR"],
    liveProgress: terminal && !env["CI"],
    device: env["TSDLC_DEVICE"] || undefined,
    debug: env["TSDLC_DEBUG"] === "1",
  };
}
