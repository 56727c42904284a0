/** Hand-written programs go the whole way from tensor level to scheduled kernels, and mean the same after every pass. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { isKernel } from "../ir/module.ts";
import { parse } from "../ir/parse.ts";
import { print } from "../ir/print.ts";
import { findLimits } from "../passes/limits.ts";
import { kernelPipeline, runPasses, tensorPipeline } from "../passes/pipeline.ts";
import { assertSameMeaning } from "./same-meaning.ts";

const folder = new URL("./programs/", import.meta.url);

describe("programs in text", () => {
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".ir"))) {
    for (const tier of ["cpu-x86-64-v4", "cpu-arm64"]) {
      it(`${name} for ${tier}`, () => {
        const source = parse(readFileSync(new URL(name, folder), "utf8"));
        const result = runPasses(source, [...tensorPipeline, ...kernelPipeline], { limits: findLimits(tier), entries: source.functions.map((func) => func.name) }, {
          now: () => 0,
          passed: ({ after }) => {
            assert.deepEqual(assertSameMeaning(source, after, { N: 7 }), source.functions.map((func) => func.name));
            assert.equal(print(parse(print(after))), print(after));
          },
        });
        assert.ok(result.functions.some(isKernel), "nothing became a kernel");
      });
    }
  }
});
