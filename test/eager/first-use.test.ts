/**
 * The first use of ops, and the second process: what is new is compiled together, what was compiled is found, and what
 * lies broken in the cache is made again.
 */

import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LruMap } from "../../lib/eager/lru-map.ts";
import { dropOldest } from "../../runtime/text-cache.ts";
import { runScript } from "../runtime/run-script.ts";

/** Steps of a small network: products, folds, elementwise ops and their derivatives; and a jitted function. */
const training = `
  import { jit, tensor, valueAndGrad } from "tsdlc";
  const loss = (p, x) => x.matmul(p.w).add(p.b).tanh().square().mean();
  let p = { w: tensor([[0.5, 1], [2, -1]]), b: tensor([0.1, 0.2]) };
  const x = tensor([[1, 2], [3, 4], [5, 6]]);
  for (let i = 0; i < 3; i++) {
    const [value, g] = valueAndGrad(loss)(p, x);
    p = { w: p.w.sub(g.w.mul(0.1)), b: p.b.sub(g.b.mul(0.1)) };
    if (i === 2) console.log(value.item());
  }
  const fast = jit(loss);
  console.log([...p.w.dataSync()].join(), fast(p, x).item());
`;

/** Fewer ops, for what compiles them over and over. */
const short = `
  import { grad, tensor } from "tsdlc";
  const loss = (w) => w.mul(w).tanh().sum();
  const w = tensor([0.5, 1, 2]);
  console.log([...grad(loss)(w).dataSync()].join(), loss(w).item());
`;

describe("the first use of ops", function () {
  this.timeout(120_000);
  let folder = "";
  let cache = "";
  let log = "";

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "tsdlc-first-use-"));
    cache = join(folder, "cache");
    log = join(folder, "log");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Runs with a compiler that writes down each of its starts; what was printed, and the starts. */
  function run(script: string, compiler = "exec cc \"$@\""): { readonly stdout: string; readonly stderr: string; readonly status: number | null; readonly starts: readonly string[] } {
    const wrapper = join(folder, "cc");
    if (!existsSync(wrapper)) {
      writeFileSync(wrapper, `#!/bin/sh\necho "$*" >> ${log}\n${compiler}\n`);
      chmodSync(wrapper, 0o755);
    }
    rmSync(log, { force: true });
    const { stdout, stderr, status } = runScript(script, { environment: { CC: wrapper, TSDLC_CACHE: cache } });
    return { stdout, stderr, status, starts: existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : [] };
  }

  it("compiles what is new together, and the second process starts no compiler", () => {
    const first = run(training);
    assert.equal(first.status, 0, first.stderr);
    assert.match(first.starts[0] ?? "", /--version$/);
    const compiled = first.starts.length - 1;
    const computations = readdirSync(join(cache, "texts")).length;
    assert.ok(compiled >= 2 && computations > 15 && compiled <= 18, `${compiled} runs of the compiler, for ${computations} texts`);
    const second = run(training);
    assert.deepEqual([second.stdout, second.status, second.starts], [first.stdout, 0, []]);
  });

  it("makes again what lies cut short, changed or empty in the cache, and gives the same", () => {
    const { stdout } = run(short);
    const files = ["texts", "kernels"].flatMap((name) => readdirSync(join(cache, name)).map((file) => join(cache, name, file)));
    const harm: readonly ((path: string, bytes: Buffer) => void)[] = [
      (path, bytes) => writeFileSync(path, bytes.subarray(0, bytes.length / 2)),
      (path) => writeFileSync(path, ""),
      (path, bytes) => writeFileSync(path, path.endsWith(".so") ? "no shared object" : bytes.fill(0x7b, bytes.length >> 1, (bytes.length >> 1) + 8)),
    ];
    for (const break_ of harm) {
      for (const path of files) break_(path, readFileSync(path));
      const again = run(short);
      assert.equal(again.stdout, stdout, again.stderr);
      assert.ok(again.starts.length > 1, "what is broken was compiled");
      assert.deepEqual(run(short).starts, [], "and is whole after that");
    }
  });

  it("needs no cache that can be written for what is kept as text", () => {
    mkdirSync(cache, { recursive: true });
    // A file where the folder of texts should be.
    writeFileSync(join(cache, "texts"), "");
    const { status, stderr, starts } = run(training);
    assert.equal(status, 0, stderr);
    assert.ok(starts.length > 1);
  });

  it("says at the read what the compiler says, for each op that it refuses", () => {
    const { stdout, status, stderr } = run(`
      import { tensor } from "tsdlc";
      const x = tensor([1, 2]);
      const made = [x.exp(), x.add(1).sum(), x.mul(x)];
      for (const one of made) try { one.dataSync(); } catch (error) { console.log(error.name, error.message.includes("no luck today")); }
      console.log([...x.dataSync()].join());
    `, "case \"$*\" in *--version*) echo compiler 1 ;; *) echo no luck today >&2; exit 1 ;; esac");
    assert.equal(status, 0, stderr);
    assert.equal(stdout, `${"CompileError true\n".repeat(3)}1,2\n`);
  });

  it("keeps the order that can be seen: disposing, donating, reading and waiting end the wait for kernels", () => {
    const { stdout, stderr } = run(`
      import { device, jit, model, scope, tensor } from "tsdlc";
      const x = tensor([1, 2, 3]).add(1);
      const y = x.mul(2);
      x.dispose();                                   // y has its operand still
      console.log([...y.dataSync()].join());
      const z = tensor([4, 5]);
      const w = z.exp().log();
      z.dispose();
      console.log([...w.dataSync()].map(Math.round).join());
      const kept = scope(() => y.sqrt().square().sub(y).abs().sum());
      console.log(kept.item() < 1e-5);
      const step = jit(model((state, by) => state.sub(by), { donate: [0] }));
      let state = y.neg();
      for (let i = 0; i < 3; i++) state = step(state, y.sign());
      console.log([...state.dataSync()].join());
      const late = y.cumsum(0);
      await device("cpu").then((cpu) => cpu.sync());
      console.log([...(await late.data())].join(), String(late));
    `);
    assert.equal(stdout, "4,6,8\n4,5\ntrue\n-7,-9,-11\n4,10,18 Tensor f32[3]\n", stderr);
  });
});

describe("what is kept", () => {
  it("on the disk is bounded: the least recently used goes first", () => {
    const folder = mkdtempSync(join(tmpdir(), "tsdlc-bound-"));
    try {
      for (const name of ["kernels", "texts"]) mkdirSync(join(folder, name));
      const paths = Array.from({ length: 10 }, (_, i) => join(folder, i % 2 === 0 ? "kernels" : "texts", String(i)));
      paths.forEach((path, i) => {
        writeFileSync(path, new Uint8Array(100));
        utimesSync(path, 1000 + ((i * 3) % 10), 1000 + ((i * 3) % 10));
      });
      dropOldest(folder, 1000, 500);
      assert.equal(paths.filter((path) => existsSync(path)).length, 10, "1000 bytes are not more than 1000");
      dropOldest(folder, 999, 500);
      const left = paths.filter((path) => existsSync(path)).map((path) => statSync(path).mtimeMs / 1000 - 1000);
      assert.deepEqual(left.sort(), [5, 6, 7, 8, 9]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("in memory goes when nobody has it: kernels are unloaded, and not while a run needs them", function () {
    this.timeout(60_000);
    const script = `
      import { readFileSync } from "node:fs";
      import { cpuDevice } from "tsdlc-runtime/cpu";
      import { functionOf, newComputation } from "./lib/eager/computation.ts";
      import { compileTogether, prepare } from "./lib/eager/kernels.ts";
      import { tensorType } from "./ir/type.ts";
      const device = cpuDevice();
      const loaded = () => new Set(readFileSync("/proc/self/maps", "utf8").match(/[^ ]+kernels[/][0-9a-f]+[.]so/g)).size;
      const turn = () => new Promise((resolve) => setTimeout(resolve, 20));
      // A chain of exponentials that takes a while; of a shape of its own, so that its kernels are.
      const make = (n, long) => newComputation(functionOf("chain" + n, [tensorType("f32", [2 ** 20 + n])], (b, [x]) => {
        let y = x;
        for (let i = 0; i < (long ? 40 : 1); i++) y = b.exp(b.tanh(y));
        return [y];
      }), []);
      let made = Array.from({ length: 12 }, (_, n) => make(n, n === 0));
      for (let i = 0; i < 12; i += 3) compileTogether(made.slice(i, i + 3), device);
      const x = made.map((_, n) => device.write(new Uint8Array(4 * (2 ** 20 + n)), "f32"));
      const runs = made.map((one, n) => prepare(one, [], device).run([x[n]])[0]);
      console.log(loaded());
      made = undefined;
      // All of them are queued or running.
      for (let i = 0; i < 5; i++) { gc(); await turn(); }
      const first = new Float32Array(await device.read(runs[11], 4 * (2 ** 20 + 11), "f32"));
      console.log(first[5], first[2 ** 20 + 10]);
      for (let i = 0; i < 5; i++) { gc(); await turn(); }
      console.log(loaded());
    `;
    const cache = mkdtempSync(join(tmpdir(), "tsdlc-unloaded-"));
    try {
      // Compiled, and then found compiled.
      for (let i = 0; i < 2; i++) {
        const { stdout, stderr } = runScript(script, { nodeOptions: ["--expose-gc"], environment: { TSDLC_CACHE: cache } });
        assert.equal(stdout, "4\n1 1\n0\n", `shared objects before, values, shared objects after\n${stderr}`);
      }
    } finally {
      rmSync(cache, { recursive: true });
    }
  });

  it("in memory is bounded: a map forgets what was asked for least recently", () => {
    const map = new LruMap<number, string>(3);
    for (const key of [1, 2, 3]) map.set(key, String(key));
    assert.equal(map.get(1), "1");
    map.set(4, "4");
    map.set(3, "three");
    assert.deepEqual([1, 2, 3, 4].map((key) => map.get(key)), ["1", undefined, "three", "4"]);
    assert.equal(map.size, 3);
  });
});
