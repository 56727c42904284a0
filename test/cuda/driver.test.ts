/**
 * The stand-in for libcuda behaves as the manual says the real one does, and shows what a program does wrong: a missing
 * wait, a missing event, a use after the free. Scripts are the calls of a program; see driver-shell.cc.
 */

import assert from "node:assert/strict";
import { buildStandIn, compileEmulated } from "./build-stand-in.ts";
import { runScript, success, type ScriptOptions, type ScriptOutcome } from "./driver.ts";
import { floats, kernelText } from "./kernels.ts";
import { buildTimeout, needsEmulator } from "./present.ts";

const invalidValue = 1, outOfMemory = 2, notInitialized = 3, noDevice = 100, invalidImage = 200, invalidContext = 201, noBinaryForGpu = 209, invalidPtx = 218;
const unsupportedPtxVersion = 222, notFound = 500, notReady = 600, illegalAddress = 700, launchFailed = 719;
const captureUnsupported = 900, captureInvalidated = 901, captureUnjoined = 904, captureIsolation = 905;

/** So long that nothing has started by the time that a program looks without waiting. */
const slow = { lag: "300000" };

describe("cuda: the stand-in for libcuda", function () {
  this.timeout(buildTimeout);
  let image: string;

  before(async function () {
    await needsEmulator(this);
    image = await compileEmulated(kernelText("steps"));
  });

  const x = Float32Array.from({ length: 100 }, (_, i) => i);
  const start = (): readonly string[] => ["init", "context", `library image ${image}`, "kernel add image add_one", "kernel twice image twice", "stream s", "stream t", "allocate x 400", "allocate y 400", "allocate z 400"];

  /** Runs a script after the usual start. Every call must succeed but those that `expected` names by their line. */
  async function run(lines: readonly string[], expected: Readonly<Record<string, number>> = {}, options: ScriptOptions = {}): Promise<ScriptOutcome> {
    const outcome = await runScript([...start(), ...lines], { ...options, files: { x, ...options.files } });
    assert.equal(outcome.answers.length, start().length + lines.length, outcome.errors);
    for (const [call, result] of Object.entries(expected)) {
      assert.deepEqual(outcome.answers.filter((answer) => answer.call === call).map((answer) => answer.result), [result], `${call}\n${outcome.errors}`);
    }
    assert.deepEqual(outcome.answers.filter(({ call, result }) => !(call in expected) && result !== success), [], outcome.errors);
    return outcome;
  }

  const contents = (outcome: ScriptOutcome, name: string): readonly number[] => [...floats(outcome.files.get(name))];
  const plus = (value: number): readonly number[] => [...x].map((one) => one + value);
  const isPoison = (values: readonly number[]): boolean => values.length > 0 && values.every((value) => Number.isNaN(value));
  const text = (outcome: ScriptOutcome, call: string): string | undefined => outcome.answers.find((answer) => answer.call === call)?.text;

  describe("devices", () => {
    it("wants cuInit, then a context in this thread", async () => {
      const { answers } = await runScript(["stream s", "init", "stream s", "context", "stream s", "release", "stream s"]);
      assert.deepEqual(answers.map(({ result }) => result), [notInitialized, success, invalidContext, success, success, success, invalidContext]);
    });

    it("may be absent", async () => {
      const { answers } = await runScript(["init"], { settings: { devices: "0" } });
      assert.deepEqual(answers.map(({ result }) => result), [noDevice]);
    });

    it("says what the settings say", async () => {
      const outcome = await runScript(["init", "version", "attribute 75", "attribute 76"], { settings: { "driver-version": "12020", capability: "8.6" } });
      assert.deepEqual(outcome.answers.map((answer) => answer.text), ["", "12020", "8", "6"]);
    });

    it("ends on a setting that it does not understand", async () => {
      const { status, errors } = await runScript(["init"], { settings: { threads: "sideways" } });
      assert.equal(status, null);
      assert.match(errors, /TSDLC_STANDIN_THREADS is "sideways"/);
    });
  });

  describe("streams", () => {
    it("runs what is queued in order", async () => {
      const outcome = await run(["write x x s", "launch add 2 64 0 s x y u32:100", "launch twice 2 64 0 s y z u32:100", "read z z s"]);
      assert.deepEqual(contents(outcome, "z"), [...x].map((value) => (value + 1) * 2));
    });

    it("returns before the work is done", async () => {
      const outcome = await run(["write x x s", "query s", "wait s", "pin p 400", "launch add 2 64 0 s x y u32:100", "pinned-read p y s", "pinned-save p early 400", "wait s", "pinned-save p late 400"], { "query s": notReady }, { settings: slow });
      assert.ok(isPoison(contents(outcome, "early")));
      assert.deepEqual(contents(outcome, "late"), plus(1));
    });

    it("reads pinned memory when the copy runs, other memory at once", async () => {
      const outcome = await run(["pin p 400", "pinned-load p x", "pinned-write p y s", "pinned-load p ones", "wait s", "read y y s"], {}, { settings: slow, files: { ones: new Float32Array(100).fill(1) } });
      assert.deepEqual(contents(outcome, "y"), [...new Float32Array(100).fill(1)]);
    });

    it("shows a missing event: another stream is not waited for", async () => {
      const lines = (...between: readonly string[]): readonly string[] => ["write x x s", "launch add 2 64 0 s x y u32:100", ...between, "launch twice 2 64 0 t y z u32:100", "read z z t"];
      const wrong = await run(lines(), {}, { settings: slow });
      assert.ok(isPoison(contents(wrong, "z")));
      const right = await run(lines("event e", "record e s", "wait-event t e"), {}, { settings: slow });
      assert.deepEqual(contents(right, "z"), [...x].map((value) => (value + 1) * 2));
    });

    it("lets a blocking stream wait for the default stream", async () => {
      const outcome = await run(["stream b 0", "write x x -", "launch add 2 64 0 - x y u32:100", "launch twice 2 64 0 b y z u32:100", "read z z b"], {}, { settings: slow });
      assert.deepEqual(contents(outcome, "z"), [...x].map((value) => (value + 1) * 2));
    });

    it("times events", async () => {
      const outcome = await run(["event a", "event b", "record a s", "launch add 2 64 0 s x y u32:100", "record b s", "event-query b", "event-wait b", "elapsed a b"], { "event-query b": notReady }, { settings: slow });
      assert.ok(Number(text(outcome, "elapsed a b")) >= 0);
    });

    it("calls the host in order", async () => {
      const outcome = await run(["call-host s", "wait s", "called"]);
      assert.equal(text(outcome, "called"), "1");
    });
  });

  describe("memory", () => {
    it("ends where the setting says", async () => {
      const outcome = await run(["allocate a 700000", "allocate b 400000", "free a", "allocate c 400000", "memory"], { "allocate b 400000": outOfMemory }, { settings: { memory: "1000000" } });
      assert.equal(text(outcome, "memory"), `${1000000 - 400000 - 1200} 1000000`);
    });

    it("is NaN when it is new", async () => {
      const outcome = await run(["allocate a 400 s", "read a a s", "read x x s"]);
      assert.ok(isPoison(contents(outcome, "a")) && isPoison(contents(outcome, "x")));
    });

    it("is NaN again for a kernel that comes after the free", async () => {
      const outcome = await run(["allocate a 400 s", "write a x s", "free a s", "launch add 2 64 0 s a y u32:100", "read y y s"]);
      assert.ok(isPoison(contents(outcome, "y")));
    });

    it("waits for what uses it when it is freed", async () => {
      const outcome = await run(["write x x s", "launch add 2 64 0 s x y u32:100", "free x", "read y y s"], {}, { settings: slow });
      assert.deepEqual(contents(outcome, "y"), plus(1));
    });

    it("loses what another stream wrote before it was allocated in order", async () => {
      const wrong = await run(["allocate a 400 s", "write x x t", "launch add 2 64 0 t x a u32:100", "wait t", "read a a s"], {}, { settings: slow });
      assert.ok(isPoison(contents(wrong, "a")));
    });

    it("refuses ranges that are not its own", async () => {
      await run(["free x", "write x x s"], { "write x x s": invalidValue });
    });

    it("finds a store outside of a buffer", async () => {
      const { errors } = await run(["launch add 2 64 0 s x y+4 u32:100", "wait s"], { "wait s": illegalAddress });
      assert.match(errors, /"add_one", or one that ran with it, wrote at byte 400 of an allocation of 400 bytes/);
    });
  });

  describe("images", () => {
    const load = async (architecture: string, settings: Readonly<Record<string, string>>): Promise<number | undefined> => {
      const path = await compileEmulated(kernelText("steps"), { architecture });
      const { answers } = await runScript(["init", "context", `library image ${path}`], { settings });
      return answers[2]?.result;
    };

    it("are for one generation", async () => {
      const capability = "8.6";
      assert.deepEqual(await Promise.all(["sm_80", "sm_86", "sm_89", "sm_90a"].map((one) => load(one, { capability }))), [success, success, noBinaryForGpu, noBinaryForGpu]);
      assert.deepEqual(await Promise.all(["sm_80", "sm_90", "sm_90a"].map((one) => load(one, { capability: "9.0" }))), [noBinaryForGpu, success, success]);
      assert.equal(await load("sm_90a", { capability: "10.0" }), noBinaryForGpu);
    });

    it("as PTX are refused, unless their version is allowed", async () => {
      assert.equal(await load("compute_80", {}), unsupportedPtxVersion);
      assert.equal(await load("compute_80", { ptx: "8.4" }), unsupportedPtxVersion);
      assert.equal(await load("compute_80", { ptx: "9.0" }), success);
      assert.equal(await load("compute_90", { ptx: "9.0", capability: "8.6" }), invalidPtx);
    });

    it("as PTX run", async () => {
      const path = await compileEmulated(kernelText("steps"), { architecture: "compute_80" });
      const outcome = await run([`module m ${path}`, "function f m add_one", "write x x s", "launch f 2 64 0 s x y u32:100", "read y y s"], {}, { settings: { ptx: "9.0" } });
      assert.deepEqual(contents(outcome, "y"), plus(1));
    });

    it("must be images", async () => {
      const { answers } = await runScript(["init", "context", "library image /bin/sh", `library image ${import.meta.filename}`]);
      assert.deepEqual(answers.map(({ result }) => result), [success, success, invalidImage, invalidImage]);
    });

    it("have kernels by name", async () => {
      await run(["kernel k image nothing", "module m " + image, "function f m nothing", "unload image"], { "kernel k image nothing": notFound, "function f m nothing": notFound });
    });

    it("know the shared memory of a kernel", async () => {
      const tiled = await compileEmulated(kernelText("matmul-tiled"));
      const outcome = await run([`library l ${tiled}`, "kernel m l matmul_tiled", "function-attribute m 1", "function-attribute m 0"]);
      assert.equal(text(outcome, "function-attribute m 1"), "2112");
      assert.equal(text(outcome, "function-attribute m 0"), "256");
    });

    it("may not have more static shared memory than ptxas allows", async () => {
      const large = await compileEmulated(`extern "C" __global__ void large(float *x) { __shared__ float a[12289]; a[threadIdx.x] = x[0]; x[1] = a[0]; }`);
      const { errors } = await run([`library l ${large}`], { [`library l ${large}`]: invalidImage });
      assert.match(errors, /kernel "large" has 49156 bytes of static shared memory/);
    });

    it("find functions by their plain names", async () => {
      const outcome = await run(["address-of cuMemAlloc cuMemAlloc_v2", "address-of cuLaunchKernel cuLaunchKernel"]);
      assert.equal(text(outcome, "address-of cuMemAlloc cuMemAlloc_v2"), "same");
      assert.equal(text(outcome, "address-of cuLaunchKernel cuLaunchKernel"), "same");
    });

    it("load into a driver of before CUDA 12 as modules", async () => {
      const { oldLibcuda } = await buildStandIn();
      const { answers } = await runScript(["init", "context", `module m ${image}`, "function f m add_one"], { libcuda: oldLibcuda });
      assert.deepEqual(answers.map(({ result }) => result), [success, success, success, success]);
    });
  });

  describe("launches", () => {
    it("are refused beyond the limits", async () => {
      const wrong = ["launch add 0 64 0 s x y u32:100", "launch add 2 0 0 s x y u32:100", "launch add 2 65 0 s x y u32:100", "launch add 2 64 50000 s x y u32:100"];
      await run(wrong, Object.fromEntries(wrong.map((line) => [line, invalidValue])));
    });

    it("have dynamic shared memory, beyond 48 KiB when they ask for it", async () => {
      const outcome = await run(["kernel d image dynamic", "allow-shared d 240000", "allow-shared d 100000", "launch d 1 64 100000 s y u32:64", "read y y s"], { "allow-shared d 240000": invalidValue });
      assert.deepEqual(contents(outcome, "y").slice(0, 64), Array.from({ length: 64 }, (_, i) => 63 - i));
    });

    it("that fail spoil the context, where somebody waits", async () => {
      const rest = ["allocate more 400", "query t"];
      const { errors } = await run(["kernel bad image stuck", "launch bad 1 64 0 s y", "wait s", ...rest], { "wait s": launchFailed, ...Object.fromEntries(rest.map((line) => [line, launchFailed])) });
      assert.match(errors, /kernel "stuck": block \(0,0,0\): no thread can go on: threads 1-63 have returned; threads 0 wait at the barrier/);
    });

    it("fail when a test wants it, and a new context is well again", async () => {
      const { answers } = await runScript([...start(), "set fail-launch 2:700", "launch add 2 64 0 s x y u32:100", "launch add 2 64 0 s x y u32:100", "call-host s", "wait s", "called", "release", "context", "memory"], { files: { x } });
      assert.deepEqual(answers.slice(start().length).map(({ result }) => result), [success, success, success, success, illegalAddress, success, success, success, success]);
      // A function of the host is not called once the context has failed.
      assert.equal(answers.find(({ call }) => call === "called")?.text, "0");
    });

    it("names results", async () => {
      const outcome = await run(["error-name 700"]);
      assert.equal(text(outcome, "error-name 700"), "CUDA_ERROR_ILLEGAL_ADDRESS");
    });
  });

  describe("graphs", () => {
    const chain = ["capture s", "launch add 2 64 0 s x y u32:100", "launch twice 2 64 0 s y z u32:100", "end-capture s g", "instantiate x g"];

    for (const graphs of ["forward", "reverse"]) {
      it(`run what was captured, each time anew, ${graphs}`, async () => {
        const outcome = await run([...chain, "write x x s", "launch-graph x s", "read z first s", "copy x z s", "launch-graph x s", "read z second s"], {}, { settings: { graphs } });
        assert.deepEqual(contents(outcome, "first"), [...x].map((value) => (value + 1) * 2));
        assert.deepEqual(contents(outcome, "second"), [...x].map((value) => ((value + 1) * 2 + 1) * 2));
      });
    }

    it("do nothing while they are captured", async () => {
      const outcome = await run(["write x x s", ...chain, "read z z s"]);
      assert.ok(isPoison(contents(outcome, "z")));
    });

    const fork = (join: boolean): readonly string[] => [
      "event e", "event f", "capture s", "launch add 2 64 0 s x y u32:100", "record e s", "wait-event t e", "launch twice 2 64 0 t y z u32:100", "record f t", ...(join ? ["wait-event s f"] : []), "end-capture s g",
    ];

    it("take another stream in by an event", async () => {
      const outcome = await run([...fork(true), "instantiate x g", "write x x s", "launch-graph x s", "read z z s"], {}, { settings: { graphs: "reverse" } });
      assert.deepEqual(contents(outcome, "z"), [...x].map((value) => (value + 1) * 2));
    });

    it("want it back", async () => {
      await run(fork(false), { "end-capture s g": captureUnjoined });
    });

    it("show a missing edge", async () => {
      const lines = ["event e", "event f", "capture s", "record e s", "wait-event t e", "launch add 2 64 0 s x y u32:100", "launch twice 2 64 0 t y z u32:100", "record f t", "wait-event s f", "end-capture s g", "instantiate x g", "write x x s", "launch-graph x s", "read z z s"];
      assert.ok(isPoison(contents(await run(lines, {}, { settings: { graphs: "reverse" } }), "z")));
    });

    it("are spoilt by a call that would wait", async () => {
      for (const [call, result] of [["allocate a 400", captureUnsupported], ["wait s", captureUnsupported], ["free x", captureUnsupported]] as const) {
        await run(["capture s", "launch add 2 64 0 s x y u32:100", call, "end-capture s g", "query s"], { [call]: result, "end-capture s g": captureInvalidated });
      }
      await run(["event e", "record e t", "capture s", "wait-event s e", "end-capture s g"], { "wait-event s e": captureIsolation, "end-capture s g": captureInvalidated });
    });
  });
});
