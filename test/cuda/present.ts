/**
 * What the tests of CUDA need of the machine: g++ to run kernels on the CPU, and NVIDIA's compilers. A test without them
 * is skipped with the reason, unless TSDLC_REQUIRE names what is missing ("cuda-emulated", "cuda-compiler").
 */

import { compilerIdentity } from "./build-stand-in.ts";
import { findToolkit, type Toolkit } from "./real-compiler.ts";

/** The first use compiles the stand-in, which takes half a minute on a slow machine that does other things too. */
export const buildTimeout = 600_000;

export async function needsEmulator(context: Mocha.Context): Promise<void> {
  if (await compilerIdentity() === undefined) absent(context, "cuda-emulated", "there is no g++ (Debian: apt-get install g++)");
}

export function needsToolkit(context: Mocha.Context): Toolkit {
  return findToolkit() ?? absent(context, "cuda-compiler", "test/cuda/setup.sh has not fetched NVIDIA's compilers");
}

function absent(context: Mocha.Context, name: string, reason: string): never {
  const required = (process.env["TSDLC_REQUIRE"] ?? "").split(",");
  if (required.includes(name)) throw new Error(`TSDLC_REQUIRE asks for ${name}: ${reason}`);
  console.warn(`skipped: ${reason}`);
  return context.skip();
}
