/**
 * `tsdlc build` and its siblings on good input: what is built, what a caller of the package sees, and when nothing
 * has to be built.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type CliOutcome, fixture, listFiles, runCli, withFolder } from "./run-cli.ts";

const root = resolve(import.meta.dirname, "../..");
const template = fixture("build");

describe("tsdlc build", function () {
  this.slow(10_000);

  it("writes a package with types, comments and kernels for each tier", () =>
    withFolder(template, (folder) => {
      const { stdout, stderr } = succeed(["build", "model.ts", "--out", "dist/my-net"], folder);
      assert.equal(stdout, "built dist/my-net: predict, classify, shift\n");
      assert.match(stderr, /^(?:[a-z0-9 ,]+ \d+\.\d\d s\n)+$/, "plain lines of phases and nothing else");
      assert.deepEqual(listFiles(join(folder, "dist")).filter((path) => !path.includes("kernels/")), [
        "my-net/index.d.ts", "my-net/index.js", "my-net/package.json", "my-net/program.json",
      ]);
      const kernels = listFiles(join(folder, "dist/my-net/kernels"));
      assert.ok(kernels.length >= 2 && kernels.some((path) => path.endsWith(".c")) && kernels.some((path) => path.endsWith(".so")), kernels.join());

      const manifest = JSON.parse(readFileSync(join(folder, "dist/my-net/package.json"), "utf8")) as { name: string; dependencies: object };
      assert.equal(manifest.name, "my-net");
      assert.deepEqual(Object.keys(manifest.dependencies), ["tsdlc-runtime"]);

      const types = readFileSync(join(folder, "dist/my-net/index.d.ts"), "utf8");
      assert.ok(types.includes("/** One dense layer. */\nexport interface Params {\n  /** From 4 inputs to 3 outputs. */\n  w: Tensor<[4, 3]>;\n"), types);
      assert.ok(types.includes("/**\n * x w + b.\n *\n * Rows of x are samples.\n */\nexport declare function predict(p: Argument<Params>, x: Argument<Tensor<[N: number, 4]>>): Tensor<[N: number, 3]>;"), types);
    }));

  it("carries for WebGPU the tiers that the models have a use for", () =>
    withFolder(template, (folder) => {
      const kernelsOf = (source: string): { files: readonly string[]; numbers: readonly string[] } => {
        writeFileSync(join(folder, "scale.ts"), `import { model, type Tensor } from "tsdlc";\n\nexport const scale = model(${source});\n`);
        succeed(["build", "scale.ts", "--out", "dist", "--target", "cuda,wgsl"], folder);
        const files = listFiles(join(folder, "dist/kernels"));
        const programs = files.filter((file) => file.endsWith(".json")).map((file) => readFileSync(join(folder, "dist/kernels", file), "utf8")).join("");
        return { files: files.filter((file) => !file.endsWith(".json")), numbers: programs.match(/"kind":"number","dtype":"\w+"/g) ?? [] };
      };
      assert.deepEqual(kernelsOf('(x: Tensor<["N"]>, factor: number) => x.mul(factor / 2)'), {
        files: ["cuda.cu", "wgsl-base.wgsl"],
        numbers: ['"kind":"number","dtype":"f64"', '"kind":"number","dtype":"f32"'],
      });
      assert.deepEqual(kernelsOf('(x: Tensor<["N"], "f16">) => x.mul(2)').files, ["cuda.cu", "wgsl-f16.wgsl"]);
      assert.match(readFileSync(join(folder, "dist/kernels/wgsl-f16.wgsl"), "utf8"), /^enable f16;/);
    }));

  it("gives types that both TypeScript compilers accept, and results that are right", () =>
    withFolder(template, (folder) => {
      succeed(["build", "model.ts", "--out", "dist"], folder);
      installRuntime(folder);
      writeFileSync(join(folder, "package.json"), `{"type":"module"}`);
      for (const compiler of ["typescript", "typescript-6"]) {
        const { status, stdout } = spawnSync(process.execPath, [join(root, "node_modules", compiler, "bin/tsc"), "-p", "."], { cwd: folder, encoding: "utf8" });
        assert.equal(stdout, "", compiler);
        assert.equal(status, 0);
      }
      const { stdout, stderr } = spawnSync(process.execPath, ["--import", import.meta.resolve("tsx"), "use.ts"], { cwd: folder, encoding: "utf8" });
      assert.equal(stderr, "");
      assert.equal(stdout, "2 3 4 2 3 4 | 2 2 | 3.5 4.5 5.5 3.5 4.5 5.5\n");
    }));

  it("does nothing, and does not load the TypeScript compiler, when nothing changed", () =>
    withFolder(template, (folder) => {
      assert.ok(loadedModules(folder, ["build", "model.ts", "--out", "dist"]).some(isTypeScript), "the probe sees ts-morph when it is loaded");
      const loaded = loadedModules(folder, ["build", "model.ts", "--out", "dist"], /^unchanged dist: /);
      assert.deepEqual(loaded.filter(isTypeScript), []);
      assert.ok(loaded.some((path) => path.includes("/commander/")), "the probe sees modules");
    }));

  it("builds again after an edit, and only then", () =>
    withFolder(template, (folder) => {
      const build = (...more: readonly string[]): string => succeed(["build", "model.ts", "--out", "dist", "--arch", "v3", ...more], folder).stdout.split(" ")[0] ?? "";
      assert.equal(build(), "built");
      assert.equal(build(), "unchanged");
      utimesSync(join(folder, "model.ts"), new Date(), new Date());
      assert.equal(build(), "unchanged", "a new time alone is no edit");
      appendFileSync(join(folder, "model.ts"), "\n");
      ageFile(join(folder, "model.ts"));
      assert.equal(build(), "built", "an edited source");
      assert.equal(build(), "unchanged");
      appendFileSync(join(folder, "dist/index.js"), "// edited\n");
      assert.equal(build(), "built", "an edited output");
      assert.equal(build("--name", "other"), "built", "another option");
      assert.equal(build("--name", "other"), "unchanged");
      assert.equal(build("--name", "other", "--force"), "built", "--force");
    }));

  it("leaves the package of an earlier build alone when a later one fails", () =>
    withFolder(template, (folder) => {
      succeed(["build", "model.ts", "--out", "dist", "--arch", "v3"], folder);
      const before = listFiles(folder).map((path) => [path, readFileSync(join(folder, path), "base64")]);
      const source = readFileSync(join(folder, "model.ts"), "utf8");
      writeFileSync(join(folder, "model.ts"), `${source}\nexport const broken = model((x: Tensor<[4]>) => x.matmul(1));\n`);
      const outcome = runCli(["build", "model.ts", "--out", "dist", "--arch", "v3"], { folder });
      assert.equal(outcome.exitCode, 1);
      writeFileSync(join(folder, "model.ts"), source);
      // A compiler that fails after the frontend and the passes have succeeded, and has made nothing that is cached.
      writeFileSync(join(folder, ".cache/cc"), `#!/bin/sh\n[ "$1" = --version ] && exec echo broken 1.0\necho no space left >&2\nexit 1\n`, { mode: 0o755 });
      const failed = runCli(["build", "model.ts", "--out", "dist", "--arch", "v3", "--force"], { folder, environment: { CC: join(folder, ".cache/cc") } });
      assert.equal(failed.exitCode, 3, failed.stderr);
      assert.match(failed.stderr, /refused .*\n *no space left\n/);
      assert.deepEqual(listFiles(folder).map((path) => [path, readFileSync(join(folder, path), "base64")]), before);
    }));

  it("tells options in CC that the compiler refuses from faults of the code", () =>
    withFolder(template, (folder) => {
      const { exitCode, stderr } = runCli(["build", "model.ts", "--out", "dist", "--arch", "v3"], { folder, environment: { CC: "cc -bad" } });
      assert.equal(exitCode, 3, stderr);
      assert.match(stderr, /error: the C compiler, with the options that CC gives it, refused even an empty program:\n {2}.*-b.*\n( {2}.*\n)*Correct CC, or leave it unset for cc\n$/);
      assert.deepEqual(listFiles(folder), listFiles(template));
    }));

  it("says how to name a compiler for a machine that the one at hand has no code for", () =>
    withFolder(template, (folder) => {
      const [tier, name] = process.arch === "arm64" ? ["v3", "cpu-x86-64-v3"] : ["arm64", "cpu-arm64"];
      const { exitCode, stderr } = runCli(["build", "model.ts", "--out", "dist", "--arch", tier], { folder });
      assert.equal(exitCode, 2, stderr);
      assert.match(stderr, new RegExp(`error: the C compiler has no code for the tier ${name}: .*\nhelp: name one that does in CC, as in: CC=`));
      assert.deepEqual(listFiles(folder), listFiles(template));
    }));

  it("builds all models of a folder", () =>
    withFolder(template, (folder) => {
      mkdirSync(join(folder, "models/deep"), { recursive: true });
      writeFileSync(join(folder, "models/one.ts"), `import { model, type Tensor } from "tsdlc";\nexport const one = model((x: Tensor<["N"]>) => x.add(1));\n`);
      writeFileSync(join(folder, "models/deep/two.ts"), `import { model, type Tensor } from "tsdlc";\nexport const two = model((x: Tensor<["N"]>) => x.add(2));\n`);
      assert.equal(succeed(["build", "models", "--out", "dist", "--arch", "v3"], folder).stdout, "built dist: two, one\n");
    }));

  it("prints the IR that a pass changed", () =>
    withFolder(template, (folder) => {
      const { stdout } = succeed(["build", "model.ts", "--out", "dist", "--arch", "v3", "--print-ir=simplify"], folder);
      assert.match(stdout, /^\/\/ after simplify: \d+\.\d ms, (changed \d+ of 3 functions|nothing changed)$/m);
      assert.doesNotMatch(stdout, /after cse/);
      assert.match(succeed(["build", "model.ts", "--out", "dist", "--arch", "v3", "--print-ir"], folder).stdout, /after cse/);
    }));
});

describe("tsdlc check", () => {
  it("prints signatures", () =>
    withFolder(template, (folder) => {
      assert.equal(succeed(["check", "model.ts"], folder).stdout, [
        "predict(p: { w: f32[4,3], b: f32[3] }, x: f32[N,4]): f32[N,3]",
        "classify(p: { w: f32[4,3], b: f32[3] }, x: f32[N,4]): i32[N]",
        "shift(donated p: { w: f32[4,3], b: f32[3] }, rate: f32[]): { p: { w: f32[4,3], b: f32[3] }, rate: f32[] }",
        "",
      ].join("\n"));
      assert.deepEqual(listFiles(folder), listFiles(template));
    }));
});

describe("tsdlc", () => {
  it("explains itself", () =>
    withFolder(undefined, (folder) => {
      const { stdout } = succeed(["--help"], folder);
      for (const word of ["build", "check", "opt", "run", "Examples:", "Exit codes:"]) assert.ok(stdout.includes(word), word);
      for (const command of ["build", "check", "opt", "run"]) assert.match(succeed([command, "--help"], folder).stdout, /Examples?:/);
      const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
      assert.equal(succeed(["--version"], folder).stdout, `${version}\n`);
    }));

  it("uses no colours and rewrites no lines where there is no terminal", () =>
    withFolder(template, (folder) => {
      const { stdout, stderr } = runCli(["check", "absent.ts"], { folder, environment: { CI: "1", TERM: "xterm-256color" } });
      assert.doesNotMatch(stdout + stderr, /\x1b|\r/);
    }));
});

function succeed(args: readonly string[], folder: string): CliOutcome {
  const outcome = runCli(args, { folder });
  assert.equal(outcome.exitCode, 0, outcome.stderr);
  return outcome;
}

function loadedModules(folder: string, args: readonly string[], output = /./): readonly string[] {
  const list = join(folder, ".cache/loaded");
  mkdirSync(join(folder, ".cache"), { recursive: true });
  const { exitCode, stdout, stderr } = runCli(args, {
    folder,
    environment: { TSDLC_TEST_LOADED: list },
    nodeOptions: ["--require", fixture("report-loaded.cjs")],
  });
  assert.equal(exitCode, 0, stderr);
  assert.match(stdout, output);
  return readFileSync(list, "utf8").split("\n");
}

function isTypeScript(path: string): boolean {
  return /\/node_modules\/(ts-morph|@ts-morph|typescript)/.test(path);
}

/** A package finds the runtime as an installed one would. */
function installRuntime(folder: string): void {
  mkdirSync(join(folder, "node_modules"));
  for (const name of ["tsdlc-runtime", "tsdlc-native"]) symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name));
}

/** A source that is newer than the start of its build is not recorded; a test edits faster than any user. */
function ageFile(path: string): void {
  const past = new Date(Date.now() - 10_000);
  utimesSync(path, past, past);
}
