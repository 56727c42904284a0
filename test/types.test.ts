/**
 * The types of the library, under TypeScript 7 and under 6 (which the frontend uses): every line of types/accepted.ts is
 * accepted, every mistake of types/refused.ts is reported, and with the message that its comment quotes.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("./types/", import.meta.url));

function check(compiler: string, project: string): string {
  const tsc = join(dirname(createRequire(import.meta.url).resolve(`${compiler}/package.json`)), "bin/tsc");
  const { stdout, stderr, error } = spawnSync(process.execPath, [tsc, "--project", project, "--pretty", "false"], { encoding: "utf8" });
  assert.equal(error, undefined);
  assert.equal(stderr, "");
  return stdout;
}

describe("types of the library", function () {
  this.timeout(120_000);

  for (const compiler of ["typescript", "typescript-6"]) {
    const { version } = createRequire(import.meta.url)(`${compiler}/package.json`) as { version: string };
    it(`TypeScript ${version} accepts what is right and reports what is wrong`, () => {
      assert.equal(check(compiler, join(folder, "tsconfig.json")), "");
    });
  }

  it("says what is wrong", () => {
    const directive = "// @ts-expect-error ";
    const lines = readFileSync(join(folder, "refused.ts"), "utf8").split("\n");
    const expected = lines.flatMap((line, i) => (line.startsWith(directive) ? [{ line: i + 2, text: line.slice(directive.length) }] : []));
    const copy = join(folder, "messages");
    mkdirSync(copy, { recursive: true });
    try {
      writeFileSync(join(copy, "refused.ts"), lines.map((line) => line.replace(directive, "// ")).join("\n"));
      writeFileSync(join(copy, "tsconfig.json"), JSON.stringify({ extends: "../tsconfig.json", include: ["*.ts"] }));
      // A diagnostic is "path(line,column): error TSnnnn: message", and more of the message on indented lines.
      const diagnostics = check("typescript", join(copy, "tsconfig.json")).split(/\n(?=\S)/);
      for (const { line, text } of expected) {
        const found = diagnostics.filter((diagnostic) => new RegExp(`refused\\.ts\\(${line},`).test(diagnostic));
        assert.ok(found.some((diagnostic) => diagnostic.includes(text)), `line ${line}: "${text}" is not in: ${found.join("\n") || "no diagnostic"}`);
      }
      assert.equal(diagnostics.filter((diagnostic) => diagnostic.trim() !== "").length, expected.length, "one mistake gives one diagnostic");
    } finally {
      rmSync(copy, { recursive: true });
    }
  });
});
