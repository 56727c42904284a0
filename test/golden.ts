/**
 * Golden files: a program, the passes to run, and the whole expected output, in one `.ir` file.
 *
 *     // Why this case is here.
 *     // run: simplify,dce
 *     func @f(...) { ... }
 *     // expect:
 *     func @f(...) { ... }
 *
 * `// error:` in place of `// expect:` is followed by the message that a pass stops with. `// tier: cpu-x86-64-v3`
 * below the run line chooses a target, for passes that need one. What a failing pass leaves behind (PassError.ir) is
 * such a file already. `npm run bless` writes what follows the last line; the diff is the review.
 *
 * Blessing cannot make a wrong pass right: input and output also run in the interpreter, and must give the same
 * results. `// sizes: N=8,M=5` says at what sizes of named dims, 3 where it does not.
 */

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { parse } from "../ir/parse.ts";
import { print } from "../ir/print.ts";
import { verify } from "../ir/verify.ts";
import { findLimits } from "../passes/limits.ts";
import { isPassName, PassError, type PassName, runPasses } from "../passes/pipeline.ts";
import { assertSameMeaning, type Sizes } from "./same-meaning.ts";

export interface Golden {
  /** All up to the line before the expectation. */
  readonly head: string;
  readonly passes: readonly PassName[];
  readonly tier: string | undefined;
  readonly sizes: Sizes;
  /** What follows `// expect:` or `// error:`, with that line; undefined in a file that was never blessed. */
  readonly expected: string | undefined;
}

export function readGolden(text: string): Golden {
  const expectation = /^\/\/ (?:expect|error):$/m.exec(text);
  const head = expectation === null ? text : text.slice(0, expectation.index);
  const run = /^\/\/ run:(.*)$/m.exec(head);
  if (run === null) throw new Error('a golden file needs a line "// run: <pass>,<pass>"');
  const names = (run[1] ?? "").split(",").map((name) => name.trim()).filter((name) => name !== "");
  const passes = names.map((name) => {
    if (!isPassName(name)) throw new Error(`there is no pass "${name}"`);
    return name;
  });
  const tier = /^\/\/ tier: (.*)$/m.exec(head)?.[1]?.trim();
  const sizes = Object.fromEntries([...(/^\/\/ sizes:(.*)$/m.exec(head)?.[1] ?? "").matchAll(/(\w+)=(\d+)/g)].map(([, name, size]) => [name, Number(size)]));
  return { head, passes, tier, sizes, expected: expectation === null ? undefined : text.slice(expectation.index) };
}

/**
 * The expectation that the program has now. Checks that input and output are well formed, read back as themselves and
 * mean the same.
 */
export function runGolden(golden: Golden): string {
  const input = parse(golden.head);
  verify(input);
  const written = print(input, { spans: true });
  assert.equal(print(parse(written), { spans: true }), written, "the input does not read back as it prints");
  try {
    const output = runPasses(input, golden.passes, golden.tier === undefined ? {} : { limits: findLimits(golden.tier) });
    const text = print(output);
    assertSameMeaning(input, output, golden.sizes);
    assert.equal(print(parse(text)), text, "the output does not read back as it prints");
    return `// expect:\n${text}`;
  } catch (error) {
    if (!(error instanceof PassError)) throw error;
    return `// error:\n${error.message.split("\n").map((line) => `// ${line}\n`).join("")}`;
  }
}

/** One mocha test for each `.ir` file of a folder and the folders in it; with `bless` the files are rewritten. */
export function testGoldens(folder: URL, bless: boolean): void {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ir")).sort();
  it("has files", () => assert.ok(files.length > 0, `no .ir file in ${folder.pathname}`));
  for (const name of files) {
    it(name, () => {
      const file = new URL(name, folder);
      const golden = readGolden(readFileSync(file, "utf8"));
      const actual = runGolden(golden);
      if (bless) writeFileSync(file, `${golden.head.trimEnd()}\n${actual}`);
      else checkGolden(golden, actual);
    });
  }
}

export function checkGolden(golden: Golden, actual: string): void {
  assert.ok(golden.expected !== undefined, 'nothing is expected yet: run "npm run bless" and read the diff');
  assert.equal(actual, golden.expected, 'the output differs: fix the pass, or run "npm run bless" and read the diff');
}
