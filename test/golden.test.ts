/** Runs the golden files, and the harness on files that must fail. */

import assert from "node:assert/strict";
import { parse } from "../ir/parse.ts";
import { checkGolden, readGolden, runGolden, testGoldens } from "./golden.ts";
import { assertSameMeaning } from "./same-meaning.ts";

describe("golden files", () => {
  testGoldens(new URL("./golden/", import.meta.url), process.env["TSDLC_BLESS"] === "1");
});

describe("the golden harness", () => {
  const text = `// run: dce
func @f(%x: f32[]) {
  %dead: f32[] = abs %x
  %y: f32[] = neg %x
  return %y
}
// expect:
func @f(%x: f32[]) {
  %0: f32[] = neg %x
  return %0
}
`;

  it("accepts what is expected", () => {
    const golden = readGolden(text);
    checkGolden(golden, runGolden(golden));
  });

  it("refuses any other output", () => {
    const golden = readGolden(text.replace("= neg %x\n  return %0", "= abs %x\n  return %0"));
    assert.throws(() => checkGolden(golden, runGolden(golden)), /the output differs/);
  });

  it("refuses a file without expectation, pass or run line", () => {
    const golden = readGolden(text.slice(0, text.indexOf("// expect:")));
    assert.throws(() => checkGolden(golden, runGolden(golden)), /nothing is expected yet/);
    assert.throws(() => readGolden(text.replace("dce", "dse")), /there is no pass "dse"/);
    assert.throws(() => readGolden(text.replace("// run:", "//")), /needs a line/);
  });

  it("refuses a pass that changes what a program computes", () => {
    const [before, after] = ["abs", "neg"].map((op) => parse(text.slice(0, text.indexOf("// expect:")).replace("= neg", `= ${op}`)));
    assert.ok(before !== undefined && after !== undefined);
    assert.deepEqual(assertSameMeaning(before, before), ["f"]);
    assert.throws(() => assertSameMeaning(before, after), /element 0 of result 0 of @f was \S+ and is \S+ now/);
  });

  it("refuses an input that is not well formed", () => {
    assert.throws(() => runGolden(readGolden(text.replace("%y: f32[]", "%y: f32[3]"))), { name: "VerifyError" });
  });
});
