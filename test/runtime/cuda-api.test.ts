/** The prototypes and constants that the addon declares for itself, against NVIDIA's own headers. */

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { findToolkit } from "../cuda/real-compiler.ts";

describe("runtime: CUDA's headers", () => {
  it("agree with what the addon declares", async function () {
    const toolkit = findToolkit();
    if (toolkit === undefined) {
      console.log("      skipped: there is no cuda.h (test/cuda/setup.sh fetches it)");
      return this.skip();
    }
    await promisify(execFile)("g++", ["-std=c++17", "-fsyntax-only", "-I", toolkit.include, join(import.meta.dirname, "cuda-api.cc")]);
  });
});
