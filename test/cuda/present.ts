/**
 * What the tests of CUDA need of the machine: g++ to run kernels on the CPU, and NVIDIA's compilers. A test without them
 * is skipped with the reason, unless TSDLC_REQUIRE names what is missing.
 */

import { absent, type Requirable } from "../require-device.ts";
import { compilerIdentity } from "./build-stand-in.ts";
import { findToolkit, type Toolkit } from "./real-compiler.ts";

/** The first use compiles the stand-in, which takes a minute on a slow machine that does other things too. */
export const buildTimeout = 600_000;

export async function needsEmulator(context: Mocha.Context): Promise<void> {
  if (await compilerIdentity() === undefined) skip(context, "cuda-emulated", "there is no g++ (Debian: apt-get install g++)");
}

export function needsToolkit(context: Mocha.Context): Toolkit {
  return findToolkit() ?? skip(context, "cuda-compiler", "test/cuda/setup.sh has not fetched NVIDIA's compilers");
}

function skip(context: Mocha.Context, name: Requirable, reason: string): never {
  absent(name, reason);
  return context.skip();
}
