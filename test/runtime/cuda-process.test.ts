/** Processes with the cuda device (emulated): drivers that will not do, devices that are lost, and the end of a process. */

import assert from "node:assert/strict";
import type { SpawnSyncReturns } from "node:child_process";
import { buildStandIn, type StandIn } from "../cuda/build-stand-in.ts";
import { cudaText, imageOf } from "./cuda-machine.ts";
import { runScript, type ScriptOptions, workersScript } from "./run-script.ts";

describe("runtime: processes with cuda (emulated)", () => {
  let standIn: StandIn;
  before(async () => {
    standIn = await buildStandIn();
    await imageOf(cudaText, "sm_90");
  });

  const run = (script: string, environment: ScriptOptions["environment"] = {}): SpawnSyncReturns<string> =>
    runScript(script, { environment: { TSDLC_NVRTC: undefined, TSDLC_CUDA_DRIVER: standIn.libcuda, ...environment } });

  const prelude = `
    import { device } from "./runtime/device.ts";
    import { tensor } from "./runtime/tensor.ts";
    import { addProgram, anyFunction, chainProgram, kernel, launch, program, tensorTree } from "./test/runtime/machine.ts";
    import { bindCuda } from "./test/runtime/cuda-machine.ts";
    const say = (error) => console.log(error.name + ": " + error.message);
  `;
  /** Two launches: enough for a graph. */
  const chain = `
    const { functions, device: gpu } = await bindCuda([chainProgram(2, 4)]);
    const run = anyFunction(functions, "chain");
  `;
  const opening = (environment: Readonly<Record<string, string>>, name = "cuda"): string =>
    run(`${prelude} await device("${name}").then(({ name }) => console.log("opened " + name), say);`, environment).stdout.trim();

  describe("a driver", () => {
    it("that is not there", () => {
      assert.match(opening({ TSDLC_CUDA_DRIVER: "/nowhere/libcuda.so.1" }), /^DeviceError: the CUDA driver cannot be opened: \/nowhere\/libcuda\.so\.1: cannot open shared object file/);
    });

    it("that is something else", () => {
      assert.match(opening({ TSDLC_CUDA_DRIVER: standIn.libnvrtc }), /^DeviceError: .+libnvrtc\.so\.13 is not a CUDA driver: it has no cuDriverGetVersion$/);
    });

    it("that is too old", () => {
      assert.match(
        opening({ TSDLC_STANDIN_DRIVER_VERSION: "11020" }),
        /^DeviceError: the CUDA driver .+ is too old: it is for CUDA 11\.2, and version 11\.4 or later is needed \(NVIDIA driver 470 or later\): update the NVIDIA driver$/,
      );
    });

    it("without a GPU", () => {
      assert.match(opening({ TSDLC_STANDIN_DEVICES: "0" }), /^DeviceError: the CUDA driver .+ finds no GPU: CUDA_ERROR_NO_DEVICE/);
    });

    it("with two", () => {
      assert.equal(opening({ TSDLC_STANDIN_DEVICES: "2" }, "cuda:1"), "opened cuda:1");
      assert.equal(opening({ TSDLC_STANDIN_DEVICES: "2" }, "cuda:2"), "DeviceError: there is no device cuda:2: this machine has 2 GPUs, cuda:0 to cuda:1");
    });
  });

  it("TSDLC_DEVICE names one, and the package's kernels run on it", () => {
    const outcome = run(`${prelude}
      const opened = await device();
      const { functions } = await bindCuda([addProgram], { device: opened });
      console.log(opened.name, (await anyFunction(functions, "add")(tensor([1]), tensor([2])).data())[0], opened === (await device("cuda")));
    `, { TSDLC_DEVICE: "cuda:0" });
    assert.equal(outcome.stdout.trim(), "cuda:0 3 true", outcome.stderr);
  });

  it("without a CUDA compiler, says what the package has", function () {
    const outcome = run(`${prelude}
      import { loadPrograms } from "./runtime/package.ts";
      import { onCuda, openStandIn, textFile, cudaText } from "./test/runtime/cuda-machine.ts";
      import { cudaCompilerIdentity } from "./runtime/cuda-toolchain.ts";
      const image = (architecture) => ({ architecture, path: architecture, read: async () => new Uint8Array() });
      if ((await cudaCompilerIdentity()) !== undefined) console.log("skipped");
      else await loadPrograms({ programs: [onCuda(addProgram)], code: textFile(cudaText), images: ["sm_80", "compute_100"].map(image) }, { device: await openStandIn() }).catch(say);
    `);
    if (outcome.stdout.trim() === "skipped") {
      console.log("      skipped: this machine has a CUDA compiler");
      return this.skip();
    }
    assert.match(
      outcome.stdout,
      /^PackageForeignError: the kernels kernels\.cu cannot run on cuda:0 \(.+, sm_90\): the package has code for sm_80, compute_100 and its source, and this machine has no CUDA compiler: build the package with --arch sm_90, or install NVRTC/,
      outcome.stderr,
    );
  });

  describe("a lost device", () => {
    it("ends what is pending and what comes after, and nothing else", () => {
      const outcome = run(`${prelude} ${chain}
        import { bind } from "./test/runtime/machine.ts";
        const x = tensor([1, 2, 3, 4]);
        const before = run(x);
        await before.data();
        const pending = run(x);
        const poisoned = run(pending);
        await Promise.allSettled([pending.data(), poisoned.data(), before.data()]).then((all) => { for (const { reason } of all) say(reason); });
        try { run(tensor([1, 1, 1, 1])); } catch (error) { say(error); }
        try { before.dataSync(); } catch (error) { say(error); }
        await gpu.sync().catch(say);
        for (const t of [x, before, pending, poisoned]) t.dispose();
        console.log(gpu.memory().bytesLive);
        const cpu = await bind([addProgram]);
        console.log((await anyFunction(cpu.functions, "add")(tensor([1]), tensor([2])).data())[0]);
      `, { TSDLC_STANDIN_FAIL_LAUNCH: "4:700" });
      assert.equal(outcome.status, 0, outcome.stderr);
      const lines = outcome.stdout.trim().split("\n");
      assert.equal(lines.length, 8, outcome.stdout);
      for (const line of lines.slice(0, 6)) {
        assert.match(line, /^DeviceError: cuda:0 is lost: .+: CUDA_ERROR_ILLEGAL_ADDRESS.*\. What was on it is gone, and it cannot be used again in this process; other devices can$/);
      }
      assert.match(lines[0] ?? "", /; the runs that had not ended, latest last, are chain(, chain)?, and with CUDA_LAUNCH_BLOCKING=1 the kernel that fails is named/);
      assert.deepEqual(lines.slice(6), ["0", "3"]);
    });

    it("in the middle of a loop of replays", () => {
      const outcome = run(`${prelude} ${chain}
        let x = tensor([1, 1, 1, 1]);
        let failed = 0, ended = 0;
        const results = [];
        for (let i = 0; i < 30; i++) results.push(run(x).data());
        for (const { status, reason } of await Promise.allSettled(results)) {
          if (status === "fulfilled") ended++;
          else if (reason.name === "DeviceError") failed++;
        }
        console.log(failed > 0 && failed + ended === 30);
      `, { TSDLC_STANDIN_FAIL_LAUNCH: "31:719" });
      assert.equal(outcome.stdout.trim(), "true", outcome.stderr);
      assert.equal(outcome.status, 0);
    });
  });

  it("memory of the GPU that runs out is used again first, and then an error", () => {
    const outcome = run(`${prelude}
      const { functions, device: gpu } = await bindCuda([addProgram]);
      const add = anyFunction(functions, "add");
      // Of ever new sizes, so that what is cached serves for none of them.
      for (let size = 1000; size < 3000; size += 100) {
        const x = tensor(new Float32Array(size).fill(1)), sum = add(x, x);
        if ((await sum.data())[size - 1] !== 2) console.log("wrong");
        x.dispose();
        sum.dispose();
      }
      const large = tensor(new Float32Array(20_000));
      try { add(large, large); } catch (error) { say(error); }
      const x = tensor([1, 2]);
      console.log((await add(x, x).data())[1], gpu.memory().bytesLive > 0);
    `, { TSDLC_STANDIN_MEMORY: "65536" });
    const [error, after] = outcome.stdout.trim().split("\n");
    assert.match(error ?? "", /^OutOfMemoryError: out of memory on cuda:0: a buffer needs 78\.1 KiB; .+ of 64\.0 KiB are in use, and of the GPU's 64\.0 KiB .+ are free$/, outcome.stderr);
    assert.equal(after, "4 true");
  });

  it("CUDA_LAUNCH_BLOCKING=1 switches graphs off", () => {
    const script = (turns: number): string => `${prelude} ${chain}
      for (let i = 0; i < ${turns}; i++) await run(tensor([1, 1, 1, 1])).data();
      console.log(JSON.stringify(gpu.statistics()));
    `;
    const blocking = run(script(3), { CUDA_LAUNCH_BLOCKING: "1" });
    assert.deepEqual(JSON.parse(blocking.stdout), { launches: 6, graphHits: 0, graphMisses: 0, graphCaptures: 0, graphCopies: 0 }, blocking.stderr);
    // Each miss is the first move of an address, and there are few: which one moves when, is up to the garbage collector.
    const free = run(script(12));
    assert.ok(JSON.parse(free.stdout).graphHits > 0, free.stdout);
  });

  it("ends when the program ends, also while runs, reads and loops are going on", () => {
    const queued = `${prelude}
      const { functions } = await bindCuda([addProgram]);
      let sum = tensor(new Float32Array(1000).fill(1));
      for (let i = 0; i < 200; i++) sum = anyFunction(functions, "add")(sum, sum);
    `;
    const unread = run(queued);
    assert.equal(unread.status, 0, unread.stderr);
    const unfinished = run(`${queued} sum.data(); process.exit(3);`);
    assert.equal(unfinished.status, 3, unfinished.stderr);
    const endless = run(`${prelude}
      const condition = { dtype: "bool", shape: [], role: { kind: "parameter", leaf: 0 } };
      const { functions } = await bindCuda([program({
        name: "endless", parameters: [{ name: "go", tree: tensorTree("bool", []), donated: false }], result: tensorTree("bool", []),
        buffers: [condition, { ...condition, role: { kind: "result" } }],
        steps: [{ kind: "loop", head: [], condition: 0, body: [] }], resultBuffers: [1],
      })]);
      const result = anyFunction(functions, "endless")(1);
      setTimeout(() => { result.data(); process.exit(4); }, 50);
    `);
    assert.equal(endless.status, 4, endless.stderr);
  });

  it("works in several threads of one process at once", () => {
    const outcome = run(workersScript(3, `
      const { addProgram, anyFunction } = await load("test/runtime/machine.ts");
      const { bindCuda } = await load("test/runtime/cuda-machine.ts");
      const { functions } = await bindCuda([addProgram]);
      const add = anyFunction(functions, "add");
      let sum = new Float32Array(500).fill(1);
      for (let i = 0; i < 10; i++) sum = add(sum, sum);
      say((await sum.data())[499]);
    `));
    assert.equal(outcome.status, 0, outcome.stderr);
    assert.equal(outcome.stdout.trim(), "1024,1024,1024");
  });
});
