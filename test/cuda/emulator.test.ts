/** The emulator on hand-written kernels: right in every order of threads and blocks, early and late copies. */

import assert from "node:assert/strict";
import { compileEmulated } from "./build-stand-in.ts";
import { launchKernel, success, type KernelArgument, type LaunchOutcome } from "./driver.ts";
import { asBf16, asF16, bf16Value, f16Value, floats, kernelText, matmul, softmax, wholeNumbers } from "./kernels.ts";
import { buildTimeout, needsEmulator } from "./present.ts";

type Settings = Readonly<Record<string, string>>;

const orders: readonly Settings[] = [
  { threads: "forward", blocks: "forward" },
  { threads: "reverse", blocks: "reverse" },
  { threads: "shuffled", blocks: "shuffled", seed: "7" },
];

describe("cuda: emulator", function () {
  this.timeout(buildTimeout);
  before(async function () {
    await needsEmulator(this);
  });

  interface Case {
    readonly file: string;
    readonly kernel: string;
    readonly grid: number;
    readonly threads: number;
    readonly arguments: readonly KernelArgument[];
  }

  async function run({ file, ...launch }: Case, settings: Settings): Promise<LaunchOutcome> {
    const outcome = await launchKernel({ image: await compileEmulated(kernelText(file)), ...launch }, { settings });
    assert.equal(outcome.result, success, outcome.errors);
    assert.equal(outcome.status, 0, outcome.errors);
    return outcome;
  }

  for (const settings of orders) {
    describe(`${settings["threads"]}`, () => {
      it("multiplies by tiles in shared memory, with ragged edges", async () => {
        const sizes = { M: 40, N: 35, K: 50 };
        const a = wholeNumbers(sizes.M * sizes.K, 20, 1), b = wholeNumbers(sizes.K * sizes.N, 20, 2);
        const { outputs } = await run({
          file: "matmul-tiled", kernel: "matmul_tiled", grid: 9, threads: 256,
          arguments: [{ input: a }, { input: b }, { output: sizes.M * sizes.N * 4 }, { u32: sizes.M }, { u32: sizes.N }, { u32: sizes.K }],
        }, settings);
        assert.deepEqual(floats(outputs[0]), matmul(a, b, sizes));
      });

      it("reduces rows by shuffles", async () => {
        const columns = 300, x = wholeNumbers(5 * columns, 9, 3);
        const { outputs } = await run({
          file: "softmax", kernel: "softmax", grid: 5, threads: 128, arguments: [{ input: x }, { output: x.byteLength }, { u32: columns }],
        }, settings);
        const expected = softmax(x, columns);
        floats(outputs[0]).forEach((value, i) => {
          const wanted = expected[i] ?? NaN;
          assert.ok(Math.abs(value - wanted) <= 1e-6 * wanted + 1e-9, `element ${i}: ${value}, not ${wanted}`);
        });
      });

      it("adds and compares atomically", async () => {
        const count = 1000, x = wholeNumbers(count, 500, 4);
        const { outputs } = await run({
          file: "atomics", kernel: "atomics", grid: 16, threads: 64,
          arguments: [
            { input: x }, { output: 4, from: Float32Array.of(0) }, { output: 8, from: Int32Array.of(-1000, 1000) },
            { output: 32, from: new Uint32Array(8) }, { output: 4, from: Float32Array.of(0) }, { u32: count },
          ],
        }, settings);
        const [sum, bounds, histogram, largest] = outputs;
        const values = [...x], most = Math.max(...values);
        assert.deepEqual([...floats(sum)], [values.reduce((total, value) => total + value, 0)]);
        assert.deepEqual([...new Int32Array(bounds?.buffer ?? new ArrayBuffer(0))], [most, Math.min(...values)]);
        assert.deepEqual([...new Uint32Array(histogram?.buffer ?? new ArrayBuffer(0))], Array.from({ length: 8 }, (_, bin) => values.filter((value) => (value & 7) === bin).length));
        assert.deepEqual([...floats(largest)], [most]);
      });

      for (const copies of ["late", "early"]) {
        it(`multiplies on tensor cores through a ring of copies, ${copies}`, async () => {
          // Eight steps through three stages: the ring wraps more than twice.
          const sizes = { M: 128, N: 64, K: 256 };
          const a = wholeNumbers(sizes.M * sizes.K, 8, 5), b = wholeNumbers(sizes.K * sizes.N, 8, 6);
          const { outputs } = await run({
            file: "matmul-pipelined", kernel: "matmul_pipelined", grid: 2, threads: 128,
            arguments: [{ input: asF16(a) }, { input: asF16(b) }, { output: sizes.M * sizes.N * 4 }, { u32: sizes.M }, { u32: sizes.N }, { u32: sizes.K }],
          }, { ...settings, copies });
          assert.deepEqual(floats(outputs[0]), matmul(a, b, sizes));
        });
      }
    });
  }

  describe("fragments of mma", () => {
    const cases = [
      { kernel: "fragments_f16", K: 16, convert: asF16 },
      { kernel: "fragments_bf16", K: 16, convert: asBf16 },
      { kernel: "fragments_tf32", K: 8, convert: (values: Float32Array<ArrayBuffer>) => values },
    ];
    for (const { kernel, K, convert } of cases) {
      it(`${kernel} is a product of matrices that have no symmetry, added to what was there`, async () => {
        const a = wholeNumbers(16 * K, 100, 8), b = wholeNumbers(K * 8, 100, 9), c = wholeNumbers(16 * 8, 1000, 10);
        const { outputs } = await run({
          file: "fragments", kernel, grid: 1, threads: 32, arguments: [{ input: convert(a) }, { input: convert(b) }, { output: c.byteLength, from: c }],
        }, {});
        const product = matmul(a, b, { M: 16, N: 8, K });
        assert.deepEqual(floats(outputs[0]), c.map((value, i) => value + (product[i] ?? NaN)));
      });
    }

    it("tf32 reads the upper 19 bits", async () => {
      const a = new Float32Array(16 * 8), b = new Float32Array(8 * 8);
      a[0] = 1 + 2 ** -10 + 2 ** -11;  // the last of which is cut off
      b[0] = 1;
      const { outputs } = await run({
        file: "fragments", kernel: "fragments_tf32", grid: 1, threads: 32, arguments: [{ input: a }, { input: b }, { output: 512, from: new Float32Array(128) }],
      }, {});
      assert.equal(floats(outputs[0])[0], 1 + 2 ** -10);
    });
  });

  it("shuffles and votes as the Programming Guide says", async () => {
    const { outputs } = await run({ file: "shuffles", kernel: "shuffles", grid: 1, threads: 32, arguments: [{ output: 16 * 32 * 4 }] }, {});
    const found = new Int32Array(outputs[0]?.buffer ?? new ArrayBuffer(0));
    const expected: readonly ((lane: number) => number)[] = [
      () => 5,
      (lane) => (lane + 1) % 32,
      (lane) => (lane & ~7) + 3,
      (lane) => (lane < 3 ? lane : lane - 3),
      (lane) => (lane % 8 < 3 ? lane : lane - 3),
      (lane) => (lane + 3 > 31 ? lane : lane + 3),
      (lane) => ((lane % 8) + 3 > 7 ? lane : lane + 3),
      (lane) => lane ^ 5,
      (lane) => ((lane ^ 12) >> 3 > lane >> 3 ? lane : lane ^ 12),
      () => Array.from({ length: 32 }, (_, lane) => (lane % 3 === 0 ? 1 << lane : 0)).reduce((bits, bit) => bits | bit, 0),
      () => 1,
      () => 0,
      () => 1,
      () => 0,
      (lane) => (lane < 16 ? 15 : 16),
      () => 2,
    ];
    expected.forEach((value, row) => {
      assert.deepEqual([...found.subarray(32 * row, 32 * row + 32)], Array.from({ length: 32 }, (_, lane) => value(lane)), `row ${row}`);
    });
  });

  describe("16-bit floats", () => {
    it("widens every one", async () => {
      const { outputs } = await run({ file: "conversions", kernel: "widen", grid: 256, threads: 256, arguments: [{ output: 65536 * 4 }, { output: 65536 * 4 }] }, {});
      const [f16, bf16] = [floats(outputs[0]), floats(outputs[1])];
      for (let bits = 0; bits < 65536; bits++) {
        assert.ok(Object.is(f16[bits], Math.fround(f16Value(bits))), `f16 ${bits}`);
        assert.ok(Object.is(bf16[bits], bf16Value(bits)), `bf16 ${bits}`);
      }
    });

    it("narrows to the nearest, ties to even", async () => {
      // Every finite positive value and its neighbours on the way to the next, of which one is the tie.
      const between = (value: (bits: number) => number, infinity: number): readonly number[] =>
        Array.from({ length: infinity }, (_, bits) => {
          // Beyond the largest the step stays as it is, and what lies in its upper half is infinity.
          const low = value(bits), high = bits + 1 < infinity ? value(bits + 1) : low + (low - value(bits - 1));
          const tie = (low + high) / 2, step = (high - low) / 8;
          return [low, tie - step, tie, tie + step];
        }).flat();
      const x = Float32Array.from([...between(f16Value, 0x7c00), ...between(bf16Value, 0x7f80).filter((value) => Math.fround(value) === value)]);
      const { outputs } = await run({
        file: "conversions", kernel: "narrow", grid: Math.ceil(x.length / 256), threads: 256,
        arguments: [{ input: x }, { output: x.length * 2 }, { output: x.length * 2 }, { u32: x.length }],
      }, {});
      for (const [position, value, infinity] of [[0, f16Value, 0x7c00], [1, bf16Value, 0x7f80]] as const) {
        const found = new Uint16Array(outputs[position]?.buffer ?? new ArrayBuffer(0));
        const after = (bits: number): number => (bits + 1 < infinity ? value(bits + 1) : 2 * value(infinity - 1) - value(infinity - 2));
        x.forEach((one, i) => {
          const bits = found[i] ?? NaN;
          // The neighbours of what came out are no nearer, and where one is as near, what came out is even.
          const distance = (other: number): number => Math.abs(one - other);
          const here = bits === infinity ? after(infinity - 1) : value(bits);
          const rivals = [...(bits > 0 ? [value(bits - 1)] : []), ...(bits < infinity ? [after(bits)] : [])];
          const best = bits === infinity && one > here ? true : rivals.every((rival) => distance(here) < distance(rival) || (distance(here) === distance(rival) && bits % 2 === 0));
          assert.ok(best, `${one} became ${bits.toString(16)} of format ${position}`);
        });
      }
    });

    it("keeps signs, infinities and NaN", async () => {
      const x = Float32Array.of(-0, -1, Infinity, -Infinity, NaN, 1e-30, -1e-30, 3e38);
      const { outputs } = await run({ file: "conversions", kernel: "narrow", grid: 1, threads: 256, arguments: [{ input: x }, { output: 16 }, { output: 16 }, { u32: 8 }] }, {});
      const hex = (bytes: Uint8Array<ArrayBuffer> | undefined): readonly string[] => [...new Uint16Array(bytes?.buffer ?? new ArrayBuffer(0))].map((bits) => bits.toString(16));
      assert.deepEqual(hex(outputs[0]), ["8000", "bc00", "7c00", "fc00", "7fff", "0", "8000", "7c00"]);
      assert.deepEqual(hex(outputs[1]), ["8000", "bf80", "7f80", "ff80", "7fff", "da2", "8da2", "7f62"]);
    });
  });
});
