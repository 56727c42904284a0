/** The program in README.md, as a reader would try it. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { runCli, withFolder } from "./run-cli.ts";

const root = resolve(import.meta.dirname, "../..");
const readme = readFileSync(join(root, "README.md"), "utf8");

describe("README.md", () => {
  it("shows a program that runs and prints what it says", () =>
    withFolder(undefined, (folder) => {
      writeFileSync(join(folder, "model.ts"), codeBlock("ts", "// model.ts"));
      writeFileSync(join(folder, "main.js"), codeBlock("js", "// main.js"));
      writeFileSync(join(folder, "package.json"), `{"type":"module"}`);
      const built = runCli(["build", "model.ts", "--out", "dist/line"], { folder });
      assert.equal(built.exitCode, 0, built.stderr);
      mkdirSync(join(folder, "node_modules"));
      symlinkSync(join(root, "node_modules/tsdlc-runtime"), join(folder, "node_modules/tsdlc-runtime"));
      const { stdout, stderr } = spawnSync(process.execPath, ["main.js"], { cwd: folder, encoding: "utf8" });
      assert.equal(stderr, "");
      const shown = /\$ node main\.js\n {4}(.*)\n/.exec(readme)?.[1] ?? "";
      // The last digits depend on the machine's vectors.
      assert.deepEqual(rounded(stdout), rounded(shown));
      assert.deepEqual(rounded(stdout), ["3.0000", "-2.0000", "1.0000"]);
    }));

  it("shows the same model as plain JavaScript, with what it prints", () =>
    withFolder(undefined, (folder) => {
      writeFileSync(join(folder, "model.ts"), codeBlock("ts", "// model.ts"));
      const main = codeBlock("ts", "import { grad, jit");
      writeFileSync(join(folder, "main.ts"), main);
      writeFileSync(join(folder, "package.json"), `{"type":"module"}`);
      mkdirSync(join(folder, "node_modules"));
      symlinkSync(root, join(folder, "node_modules/tsdlc"));
      const { stdout, stderr } = spawnSync(process.execPath, ["--import", join(root, "node_modules/tsx/dist/loader.mjs"), "main.ts"], { cwd: folder, encoding: "utf8" });
      assert.equal(stderr, "");
      const [, shown = ""] = readme.slice(readme.indexOf(main)).split("```\n\n");
      assert.equal(stdout.trimEnd(), shown.slice(0, shown.indexOf("\n\n")).replace(/^ {4}/gm, ""));
    }));
});

function codeBlock(language: string, start: string): string {
  const found = [...readme.matchAll(/```(\w+)\n([^]*?)```/g)].find(([, name, text]) => name === language && text?.startsWith(start));
  if (found?.[2] === undefined) throw new Error(`README.md has no ${language} block that starts with ${start}`);
  return found[2];
}

function rounded(text: string): readonly string[] {
  return (text.match(/-?\d+\.\d+/g) ?? []).map((number) => Number(number).toFixed(4));
}
