/** What a user sees when something fails, by kind of error; bad-input.test.ts shows the whole of it for real commands. */

import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { DiagnosticsError } from "../../compiler/diagnostics.ts";
import type { Surroundings } from "../../compiler/options.ts";
import { createProgress } from "../../compiler/progress.ts";
import { reportError } from "../../compiler/report-error.ts";
import { parse } from "../../ir/parse.ts";
import { PassError } from "../../passes/pipeline.ts";

const plain: Surroundings = { cacheFolder: "", colours: false, liveProgress: false, device: undefined, debug: false };

describe("errors of a command", () => {
  it("keeps the module that a pass failed on, ready for tsdlc opt", async () => {
    const module = parse("func @f(%x: f32[N]) {\n  return %x\n}\n");
    const { text, exitCode } = await reportError(new PassError("fuse", module, new Error("no such group")), plain);
    assert.equal(exitCode, 3);
    assert.match(text, /^error: pass fuse: no such group\nThis is a bug in tsdlc, not in your program\./);
    const path = /The module before the failing pass is in (.*)\n/.exec(text)?.[1] ?? "";
    const saved = readFileSync(path, "utf8");
    rmSync(dirname(path), { recursive: true });
    assert.match(saved, /^\/\/ run: fuse\n/);
    assert.deepEqual(parse(saved).functions.map(({ name }) => name), ["f"]);
  });

  it("shows the stack of a bug only when asked", async () => {
    const bug = new TypeError("x is undefined");
    assert.doesNotMatch((await reportError(bug, plain)).text, /report-error\.test/);
    assert.match((await reportError(bug, { ...plain, debug: true })).text, /report-error\.test/);
  });

  it("says what to do about what the system refuses, and calls it no bug", async () => {
    const full = Object.assign(new Error("ENOSPC: no space left on device, write 'x'"), { code: "ENOSPC" });
    assert.deepEqual(await reportError(full, plain), {
      text: "error: ENOSPC: no space left on device, write 'x'\nhelp: make room on that disk, or name another folder\n", exitCode: 3,
    });
  });

  it("colours diagnostics only on request", async () => {
    const error = new DiagnosticsError([{ code: "TSDL4001", message: "there is no file", labels: [], notes: [], help: undefined }]);
    assert.deepEqual(await reportError(error, plain), { text: "error TSDL4001: there is no file\n\n1 error\n", exitCode: 1 });
    assert.match((await reportError(error, { ...plain, colours: true })).text, /\x1b\[31m/);
  });
});

describe("progress", () => {
  it("is one line that is rewritten on a terminal, and a line for each phase elsewhere", async () => {
    for (const [live, expected] of [
      [true, /^\r\x1b\[2Kone …\r\x1b\[2Kone 0\.0\d s\r\x1b\[2Kone 0\.0\d s · two …\r\x1b\[2Kone 0\.0\d s · two 0\.0\d s\n$/],
      [false, /^one 0\.0\d s\ntwo 0\.0\d s\n$/],
    ] as const) {
      let written = "";
      const progress = createProgress({ live, colours: false, write: (text) => { written += text; } });
      assert.equal(await progress.phase("one", () => 1), 1);
      assert.equal(await progress.phase("two", async () => 2), 2);
      progress.finish();
      progress.finish();
      assert.match(written, expected);
    }
  });
});
