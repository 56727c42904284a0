/** The C compiler and its cache: hits, errors with the compiler's words, and a machine without one. */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CompileError, CompilerMissingError } from "../../runtime/errors.ts";
import { ccIdentity, compileC, compileText, compileTextSync } from "../../runtime/toolchain.ts";

describe("runtime: toolchain", () => {
  let folder: string;
  const saved = { cache: process.env["TSDLC_CACHE"], cc: process.env["CC"] };
  const restore = (name: string, value: string | undefined): void => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tsdlc-toolchain-"));
    process.env["TSDLC_CACHE"] = folder;
  });
  afterEach(async () => {
    restore("TSDLC_CACHE", saved.cache);
    restore("CC", saved.cc);
    await rm(folder, { recursive: true });
  });

  it("compiles once, also when asked at the same time", async () => {
    const text = "int answer(void) { return 42; }";
    const paths = await Promise.all([compileText(text, ["-O1"]), compileText(text, ["-O1"]), compileText(text, ["-O2"])]);
    assert.equal(paths[0], paths[1]);
    assert.notEqual(paths[0], paths[2]);
    const before = await stat(paths[0]);
    assert.equal(compileTextSync(text, ["-O1"]), paths[0]);
    assert.equal((await stat(paths[0])).mtimeMs, before.mtimeMs);
    const left = await readdir(join(folder, "kernels"));
    assert.deepEqual(left.filter((name) => !/^[0-9a-f]{32}\.(c|so)$/.test(name)), []);
  });

  it("starts one compiler for one text", async () => {
    const [log, command] = [join(folder, "log"), join(folder, "counting-cc")];
    await writeFile(command, `#!/bin/sh\necho "$@" >> "${log}"\nexec cc "$@"\n`, { mode: 0o755 });
    process.env["CC"] = command;
    const first = compileText("int once(void) { return 1; }", []);
    const paths = await Promise.all([first, compileText("int once(void) { return 1; }", [])]);
    assert.equal(paths[0], paths[1]);
    const calls = (await readFile(log, "utf8")).trim().split("\n");
    assert.equal(calls.filter((call) => call.includes("-shared")).length, 1);
  });

  it("compiles a file to a file", async () => {
    const [source, output] = [join(folder, "a.c"), join(folder, "out", "a.so")];
    await writeFile(source, "int one(void) { return 1; }");
    await compileC({ source, output, flags: [] });
    assert.equal((await readFile(output)).readUInt32BE(0), 0x7f454c46);
  });

  it("keeps the source that the compiler refused, and its words", async () => {
    for (const compile of [async () => compileText("int broken(", []), async () => compileTextSync("int broken(", [])]) {
      await assert.rejects(compile(), (error) => {
        assert.ok(error instanceof CompileError);
        assert.match(error.message, /the C compiler ".+" refused .+\.c:\n[^]*error/);
        assert.ok(existsSync(error.sourcePath));
        return true;
      });
    }
  });

  it("says what to install when there is no compiler", async () => {
    process.env["CC"] = "no-such-compiler -m64";
    const missing = (error: unknown): boolean =>
      error instanceof CompilerMissingError && /^there is no C compiler: "no-such-compiler" cannot be run\. Install gcc or clang \(Debian and Ubuntu: apt install gcc/.test(error.message);
    await assert.rejects(ccIdentity(), missing);
    await assert.rejects(compileText("int x;", []), missing);
    assert.throws(() => compileTextSync("int x;", []), missing);
  });
});
