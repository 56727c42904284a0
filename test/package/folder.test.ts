/**
 * Writing a package is whole or not at all, and never over somebody's files.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageName } from "../../compiler/package/contents.ts";
import { assertReplaceable, createPendingFolder } from "../../compiler/package/folder.ts";
import { UsageError } from "../../compiler/usage-error.ts";
import { withFolder } from "../cli/run-cli.ts";

const ours = JSON.stringify({ format: "tsdlc-program", version: 1 });

describe("package folder", () => {
  it("appears as a whole, and replaces an older package", () =>
    withFolder(undefined, async (folder) => {
      const out = join(folder, "deep/net");
      for (const text of ["one", "two"]) {
        const pending = await createPendingFolder(out);
        await pending.write({ path: "program.json", data: ours });
        await pending.write({ path: "kernels/a.c", data: text });
        assert.notEqual(existsSync(join(out, "kernels/a.c")) && readFileSync(join(out, "kernels/a.c"), "utf8"), text);
        await pending.publish();
        assert.equal(readFileSync(join(out, "kernels/a.c"), "utf8"), text);
      }
      assert.deepEqual(readdirSync(join(folder, "deep")), ["net"]);
    }));

  it("leaves nothing when it is discarded", () =>
    withFolder(undefined, async (folder) => {
      const pending = await createPendingFolder(join(folder, "net"));
      await pending.write({ path: "kernels/a.c", data: "half" });
      await pending.discard();
      assert.deepEqual(readdirSync(folder), []);
    }));

  it("removes what builds left that were killed, and nothing else", () =>
    withFolder(undefined, async (folder) => {
      const ended = spawnSync(process.execPath, ["-e", ""]).pid;
      const kept = [`net.tmp-${process.ppid}`, "net.tmp-notes", `other.tmp-${ended}`];
      for (const name of [`net.tmp-${ended}`, ...kept]) mkdirSync(join(folder, name));
      const pending = await createPendingFolder(join(folder, "net"));
      await pending.discard();
      assert.deepEqual(readdirSync(folder).sort(), [...kept].sort());
    }));

  it("gets back the package that a build was about to replace when it was killed", () =>
    withFolder(undefined, async (folder) => {
      const ended = spawnSync(process.execPath, ["-e", ""]).pid;
      const out = join(folder, "net");
      for (const text of ["one", "two"]) {
        mkdirSync(join(folder, `net.tmp-${ended}`));
        const previous = join(folder, `net.tmp-${ended}-previous`);
        mkdirSync(previous);
        writeFileSync(join(previous, "program.json"), ours);
        writeFileSync(join(previous, "index.js"), text);
        await (await createPendingFolder(out)).discard();
        assert.deepEqual(readdirSync(folder), ["net"]);
        assert.equal(readFileSync(join(out, "index.js"), "utf8"), "one", "a package that is there stays");
      }
    }));

  it("is removed when the process is told to end", () =>
    withFolder(undefined, async (folder) => {
      const module = new URL("../../compiler/package/folder.ts", import.meta.url).href;
      const script = `const { createPendingFolder } = await import(${JSON.stringify(module)});
        await createPendingFolder(${JSON.stringify(join(folder, "net"))});
        process.kill(process.pid, "SIGINT");
        setTimeout(() => {}, 10_000);`;
      const { signal, stderr } = spawnSync(process.execPath, [...process.execArgv, "--input-type=module", "-e", script], { encoding: "utf8" });
      assert.equal(signal, "SIGINT", stderr);
      assert.deepEqual(readdirSync(folder), []);
    }));

  it("is not published over files that came meanwhile", () =>
    withFolder(undefined, async (folder) => {
      const out = join(folder, "net");
      const pending = await createPendingFolder(out);
      await pending.write({ path: "program.json", data: ours });
      mkdirSync(out);
      writeFileSync(join(out, "thesis.txt"), "do not lose");
      await assert.rejects(pending.publish(), UsageError);
      await pending.discard();
      assert.deepEqual(readdirSync(out), ["thesis.txt"]);
      assert.deepEqual(readdirSync(folder), ["net"]);
    }));

  it("may be absent, empty or ours, and nothing else", () =>
    withFolder(undefined, async (folder) => {
      await assertReplaceable(join(folder, "absent"));
      await assertReplaceable(folder);
      const foreign = join(folder, "foreign");
      mkdirSync(foreign);
      for (const manifest of ["{", "[]", "null", `{"format":"other"}`]) {
        writeFileSync(join(foreign, "program.json"), manifest);
        await assert.rejects(assertReplaceable(foreign), /is not a package that tsdlc built/);
      }
      writeFileSync(join(foreign, "program.json"), ours);
      await assertReplaceable(foreign);
      mkdirSync(join(foreign, "node_modules"));
      await assert.rejects(assertReplaceable(foreign), /also holds node_modules/);
    }));

  it("gives the package a name that npm accepts", () => {
    const names = ["net", "My Net", ".hidden", "größe", "***"].map(packageName);
    assert.deepEqual(names, ["net", "my-net", "hidden", "gr-e", "model"]);
  });
});
