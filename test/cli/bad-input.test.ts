/**
 * Bad input to the command line, one folder under bad-input/ for each: `command` is the line that a user types
 * (environment variables may stand first), `expected` is the exit code and everything that is printed.
 * `npm run bless` rewrites the expectations. After every failure the folder must hold what it held before.
 */

import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fixture, listFiles, runCli, withFolder } from "./run-cli.ts";

const cases = fixture("bad-input");

describe("bad input", () => {
  for (const name of readdirSync(cases).sort()) {
    it(name.replaceAll("-", " "), function () {
      this.slow(5000);
      const template = join(cases, name);
      const words = readFileSync(join(template, "command"), "utf8").trim().split(/\s+/);
      const environment = Object.fromEntries(words.filter(isAssignment).map((word) => splitOnce(word)));
      const args = words.filter((word) => !isAssignment(word)).slice(1);

      withFolder(template, (folder) => {
        const before = readAll(folder);
        const { exitCode, stdout, stderr } = runCli(args, { folder, environment });
        assert.notEqual(exitCode, 0, "bad input was accepted");
        assert.doesNotMatch(stderr, /This is a bug in tsdlc/);
        assert.deepEqual(readAll(folder), before, "the folder is not what it was");
        checkBlessed(join(template, "expected"), `exit ${exitCode}\n${steady(stderr + stdout, folder)}`);
      });
    });
  }
});

/** Without what differs from run to run, or with every edit of the library: times, the folder, lines of the library. */
function steady(text: string, folder: string): string {
  return text
    .replaceAll(/^[a-z][a-z0-9 ,]* \d+\.\d\d s\n/gm, "")
    .replaceAll(folder, "<folder>")
    .replaceAll(/(tsdlc\/lib\/\S+\.ts):\d+/g, "$1:<line>");
}

function readAll(folder: string): Readonly<Record<string, string>> {
  return Object.fromEntries(listFiles(folder).map((path) => [path, readFileSync(join(folder, path), "utf8")]));
}

function isAssignment(word: string): boolean {
  return /^[A-Z_]+=/.test(word);
}

function splitOnce(word: string): readonly [string, string] {
  const at = word.indexOf("=");
  return [word.slice(0, at), word.slice(at + 1)];
}

function checkBlessed(path: string, actual: string): void {
  if (process.env["TSDLC_BLESS"] === "1") writeFileSync(path, actual);
  assert.ok(existsSync(path), `${path} is missing: run npm run bless`);
  assert.equal(actual, readFileSync(path, "utf8"));
}
