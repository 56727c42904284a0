/** Processes: what the addon does when one ends early, runs in a worker, or finds itself not compiled. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { nodeFlags, root, runScript, workersScript } from "./run-script.ts";

const endless = `
  import { anyFunction, bind, kernel, launch, program, tensorTree } from "./test/runtime/machine.ts";
  const condition = { dtype: "bool", shape: [], role: { kind: "parameter", leaf: 0 } };
  const { functions } = await bind([program({
    name: "endless", parameters: [{ name: "go", tree: tensorTree("bool", []), donated: false }], result: tensorTree("bool", []),
    buffers: [condition, { ...condition, role: { kind: "result" } }],
    steps: [{ kind: "loop", head: [], condition: 0, body: [] }], resultBuffers: [1],
  })]);
  const result = anyFunction(functions, "endless")(1);
`;

describe("runtime: processes", () => {
  it("ends when the program ends, also while a run or a read is going on", () => {
    const ended = runScript(`${endless} result.data(); process.exit(3);`);
    assert.equal(ended.status, 3, ended.stderr);
    const unread = runScript(endless);
    assert.equal(unread.status, 0, unread.stderr);
  });

  it("works in several threads of one process at once", () => {
    const outcome = runScript(workersScript(3, `
      const { addProgram, anyFunction, bind } = await load("test/runtime/machine.ts");
      const { functions } = await bind([addProgram]);
      const add = anyFunction(functions, "add");
      let sum = new Float32Array(50000).fill(1);
      for (let i = 0; i < 10; i++) sum = add(sum, sum);
      say((await sum.data())[49999]);
    `));
    assert.equal(outcome.status, 0, outcome.stderr);
    assert.equal(outcome.stdout.trim(), "1024,1024,1024");
  });

  it("TSDLC_THREADS must be a number of threads", () => {
    const outcome = runScript(`import { createCpuDevice } from "./runtime/cpu-device.ts"; createCpuDevice();`, { environment: { TSDLC_THREADS: "many" } });
    assert.match(outcome.stderr, /TSDLC_THREADS is "many": it must be a whole number from 1 to 1024/);
  });

  describe("an addon that was never compiled", () => {
    let folder: string;

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), "tsdlc-addon-"));
      await cp(join(root, "runtime"), join(folder, "runtime"), { recursive: true, filter: (path) => !/\/(dist|node_modules)$/.test(path) });
      await mkdir(join(folder, "node_modules", "tsdlc-native"), { recursive: true });
      for (const name of ["package.json", "index.cjs", "CMakeLists.txt", "src"]) {
        await cp(join(root, "native", name), join(folder, "node_modules", "tsdlc-native", name), { recursive: true });
      }
      await symlink(join(root, "node_modules"), join(folder, "node_modules", "tsdlc-native", "node_modules"));
      await symlink(join(root, "node_modules", "tsx"), join(folder, "node_modules", "tsx"));
    });
    after(() => rm(folder, { recursive: true }));

    const script = `
      import { cpuDevice } from "./runtime/cpu-device.ts";
      console.log(cpuDevice().name);
    `;

    it("says which tool is missing, and leaves no lock", async () => {
      // PATH without cmake and c++: node itself is started by its own path.
      const empty = join(folder, "empty");
      await mkdir(empty);
      const outcome = runScript(script, { folder, environment: { PATH: empty } });
      assert.match(outcome.stderr, /AddonError: the native addon of tsdlc-runtime does not compile: cmake and c\+\+ cannot be found: install cmake and g\+\+ and try again \(Debian and Ubuntu: apt install cmake g\+\+ make\)/);
    });

    it("is compiled at the first use, by one of two processes, which says so", async function () {
      this.timeout(180_000);
      const start = () => promisify(execFile)(process.execPath, [...nodeFlags, "-e", script], { cwd: folder });
      const both = await Promise.all([start(), start()]);
      assert.deepEqual(both.map(({ stdout }) => stdout.trim()), ["cpu", "cpu"]);
      assert.equal(both.filter(({ stderr }) => /^tsdlc-runtime: compiling the native addon, once$/m.test(stderr)).length, 1);
    });
  });
});
