/**
 * Seeded faults: each is one change of a kernel that is right, and each must be noticed, as a wrong result in one of the
 * settings or as a message. A fault that no setting shows would be one that the tests of emitted kernels cannot see.
 */

import assert from "node:assert/strict";
import { compileEmulated } from "./build-stand-in.ts";
import { launchKernel, success, type KernelLaunch, type LaunchOutcome } from "./driver.ts";
import { asF16, floats, kernelText, matmul, softmax, wholeNumbers } from "./kernels.ts";
import { buildTimeout, needsEmulator } from "./present.ts";

/** CUDA_ERROR_ILLEGAL_ADDRESS and CUDA_ERROR_LAUNCH_FAILED. */
const [illegalAddress, launchFailed] = [700, 719];

const settings = ["forward", "reverse", "shuffled"].flatMap((order) =>
  ["late", "early"].map((copies) => ({ threads: order, blocks: order, copies })),
);

interface Fault {
  readonly what: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

interface Subject {
  readonly launch: Omit<KernelLaunch, "image">;
  /** Whether the first output is what it should be. */
  readonly isRight: (found: Float32Array) => boolean;
}

function near(expected: Float32Array, tolerance: number): (found: Float32Array) => boolean {
  return (found) => found.length === expected.length && found.every((value, i) => Math.abs(value - (expected[i] ?? NaN)) <= tolerance);
}

function subjects(): Readonly<Record<string, Subject>> {
  const ragged = { M: 40, N: 35, K: 50 }, whole = { M: 128, N: 128, K: 256 };
  const [a, b] = [wholeNumbers(ragged.M * ragged.K, 20, 1), wholeNumbers(ragged.K * ragged.N, 20, 2)];
  const [c, d] = [wholeNumbers(whole.M * whole.K, 8, 5), wholeNumbers(whole.K * whole.N, 8, 6)];
  const x = wholeNumbers(4 * 300, 9, 3);
  const sizes = ({ M, N, K }: typeof ragged): readonly { readonly u32: number }[] => [{ u32: M }, { u32: N }, { u32: K }];
  const [left, right, sum] = [wholeNumbers(256, 50, 8), wholeNumbers(128, 50, 9), new Float32Array(128)];
  return {
    "matmul-tiled": {
      launch: { kernel: "matmul_tiled", grid: 9, threads: 256, arguments: [{ input: a }, { input: b }, { output: ragged.M * ragged.N * 4 }, ...sizes(ragged)] },
      isRight: near(matmul(a, b, ragged), 0),
    },
    "matmul-pipelined": {
      launch: { kernel: "matmul_pipelined", grid: 4, threads: 128, arguments: [{ input: asF16(c) }, { input: asF16(d) }, { output: whole.M * whole.N * 4 }, ...sizes(whole)] },
      isRight: near(matmul(c, d, whole), 0),
    },
    softmax: {
      launch: { kernel: "softmax", grid: 4, threads: 128, arguments: [{ input: x }, { output: x.byteLength }, { u32: 300 }] },
      isRight: near(softmax(x, 300), 1e-6),
    },
    fragments: {
      launch: { kernel: "fragments_f16", grid: 1, threads: 32, arguments: [{ input: asF16(left) }, { input: asF16(right) }, { output: 512, from: sum }] },
      isRight: near(matmul(left, right, { M: 16, N: 8, K: 16 }), 0),
    },
  };
}

const faults: readonly Fault[] = [
  { what: "no barrier after a tile is stored", file: "matmul-tiled", from: "    __syncthreads();\n    for", to: "    for" },
  { what: "no barrier after a tile is read", file: "matmul-tiled", from: "    __syncthreads();\n  }", to: "  }" },
  { what: "a wrong index into shared memory", file: "matmul-tiled", from: "right[i][x]", to: "right[x][i]" },
  { what: "a wrong index into global memory", file: "matmul-tiled", from: "b[(k + y) * N + column]", to: "b[(k + x) * N + column]" },
  { what: "rows and columns of blocks swapped", file: "matmul-tiled", from: "column = blockIdx.x % columns", to: "column = blockIdx.x / columns" },
  { what: "an element of a tile that nobody stores", file: "matmul-tiled", from: "left[y][x] =", to: "if (x != 9) left[y][x] =" },
  { what: "one iteration too few", file: "matmul-tiled", from: "i < 16; i++) sum", to: "i < 15; i++) sum" },
  { what: "no barrier between two uses of scratch memory", file: "softmax", from: "  __syncthreads();\n  return value;", to: "  return value;" },
  { what: "no barrier before scratch memory is read", file: "softmax", from: "value;\n  __syncthreads();\n  float total", to: "value;\n  float total" },
  { what: "a shuffle too few", file: "softmax", from: "offset > 0; offset /= 2) value +=", to: "offset > 1; offset /= 2) value +=" },
  { what: "the sum is that of one lane", file: "softmax", from: "if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = value;\n  __syncthreads();\n  float total", to: "if (threadIdx.x % 32 == 1) scratch[threadIdx.x / 32] = value;\n  __syncthreads();\n  float total" },
  { what: "a copy that is not waited for", file: "matmul-pipelined", from: "cp_async_wait<STAGES - 2>();", to: "" },
  { what: "a copy that is waited for too late", file: "matmul-pipelined", from: "cp_async_wait<STAGES - 2>();", to: "cp_async_wait<STAGES - 1>();" },
  { what: "copies that are never committed", file: "matmul-pipelined", from: "    cp_async_commit();\n    const", to: "    const" },
  { what: "no barrier between waiting and reading", file: "matmul-pipelined", from: "    __syncthreads();\n", to: "" },
  { what: "a copy into the stage that is being read", file: "matmul-pipelined", from: "const unsigned next = step + STAGES - 1;", to: "const unsigned next = step + STAGES;" },
  { what: "a ring of one stage too few", file: "matmul-pipelined", from: "left[(step) % STAGES]", to: "left[(step) % (STAGES - 1)]" },
  { what: "ldmatrix without trans", file: "matmul-pipelined", from: "ldmatrix_x4_trans", to: "ldmatrix_x4" },
  { what: "the halves of K swapped in a fragment of B", file: "matmul-pipelined", from: "{columns[j / 2][j % 2 * 2], columns[j / 2][j % 2 * 2 + 1]}", to: "{columns[j / 2][j % 2 * 2 + 1], columns[j / 2][j % 2 * 2]}" },
  { what: "rows and K swapped in a fragment of A", file: "matmul-pipelined", from: "lane % 16) * LEFT_PITCH + k + lane / 16 * 8", to: "lane % 8 + lane / 16 * 8) * LEFT_PITCH + k + lane / 8 % 2 * 8" },
  { what: "rows of the result swapped", file: "matmul-pipelined", from: "lane / 4 + e / 2 * 8", to: "lane / 4 + e % 2 * 8" },
  { what: "registers of A in another order", file: "fragments", from: "a + (group + 8 * (i % 2)) * 16 + 2 * place + 8 * (i / 2)", to: "a + (group + 8 * (i / 2)) * 16 + 2 * place + 8 * (i % 2)" },
  { what: "the halves of a register swapped", file: "fragments", from: "pair(at[0], at[1])", to: "pair(at[1], at[0])" },
  { what: "B transposed", file: "fragments", from: "b + (2 * place + 8 * i) * 8 + group", to: "b + group * 8 + 2 * place + 8 * i" },
  { what: "groups and places swapped", file: "fragments", from: "group = threadIdx.x / 4, place = threadIdx.x % 4", to: "group = threadIdx.x % 8, place = threadIdx.x / 8" },
];

describe("cuda: seeded faults", function () {
  this.timeout(buildTimeout);
  before(async function () {
    await needsEmulator(this);
  });

  const all = subjects();

  async function run(subject: Subject, text: string, one: Readonly<Record<string, string>>, sanitize = false): Promise<LaunchOutcome> {
    return launchKernel({ image: await compileEmulated(text, { sanitize }), ...subject.launch }, { settings: one, sanitize });
  }

  for (const [file, subject] of Object.entries(all)) {
    it(`${file}.cu is right as it is`, async () => {
      for (const one of settings) {
        const { outputs, errors } = await run(subject, kernelText(file), one);
        assert.ok(subject.isRight(floats(outputs[0])), `${JSON.stringify(one)} ${errors}`);
      }
    });
  }

  for (const { what, file, from, to } of faults) {
    it(`notices ${what} (${file})`, async () => {
      const subject = all[file];
      assert.ok(subject);
      const text = kernelText(file, [from, to]);
      for (const one of settings) {
        const { outputs, result } = await run(subject, text, one);
        if (result !== success || !subject.isRight(floats(outputs[0]))) return;
      }
      assert.fail(`no setting of ${settings.length} shows it`);
    });
  }

  describe("says what is wrong", () => {
    const first: Readonly<Record<string, string>> = { threads: "forward" };
    const kernel = (body: string): string => kernelText("shuffles") + `
extern "C" __global__ void __launch_bounds__(128) subject(float *out) {
  __shared__ __align__(16) float tile[128];
  ${body}
}
`;
    async function message(body: string, threads = 128, one = first): Promise<string> {
      const image = await compileEmulated(kernel(body));
      const { result, errors } = await launchKernel({ image, kernel: "subject", grid: 2, threads, arguments: [{ output: 4096 }] }, { settings: one });
      assert.equal(result, launchFailed, errors);
      return errors.trim().replace(/line \d+/g, "line L");
    }
    const start = `stand-in for libcuda: kernel "subject": block (0,0,0): `;

    it("some threads wait at a barrier, others have returned", async () => {
      assert.equal(await message("if (threadIdx.x >= 32) return; __syncthreads();"), `${start}no thread can go on: threads 32-127 have returned; threads 0-31 wait at the barrier of line L`);
    });

    it("threads wait at two barriers", async () => {
      assert.equal(
        await message("if (threadIdx.x < 64)\n __syncthreads();\n else\n __syncthreads();"),
        `${start}thread 64 comes to the barrier of line L while threads 0-63 wait at the barrier of line L`,
      );
    });

    it("a lane is missing in a shuffle", async () => {
      assert.equal(
        await message("if (threadIdx.x % 32 != 3) out[0] = __shfl_sync(0xffffffffu, 1.0f, 0);"),
        `${start}no thread can go on: threads 3, 35, 67, 99 have returned; threads 0-2, 4-34, 36-66, 68-98, 100-127 wait at __shfl_sync of line L`,
      );
    });

    it("lanes of a warp are in two shuffles", async () => {
      assert.equal(
        await message("if (threadIdx.x < 8)\n out[0] = __shfl_sync(0xffffffffu, 1.0f, 0);\n else\n out[1] = __shfl_sync(0xffffffffu, 1.0f, 0);", 32),
        `${start}no thread can go on: threads 0-7 wait at __shfl_sync of line L; threads 8-31 wait at __shfl_sync of line L`,
      );
    });

    it("a mask does not name its lane", async () => {
      assert.equal(await message("out[0] = __shfl_sync(1u, 1.0f, 0);"), `${start}thread 1 comes to __shfl_sync of line L, whose mask does not name it`);
    });

    it("a copy goes elsewhere than to shared memory", async () => {
      assert.equal(await message("cp_async_16(out, out + 4);"), `${start}thread 0, line L: an asynchronous copy is given an address outside of shared memory`);
    });

    it("a copy is not aligned", async () => {
      assert.equal(await message("cp_async_16(&tile[1], out);"), `${start}thread 0, line L: an asynchronous copy is given an address that is not aligned to 16 bytes`);
      assert.equal(await message("cp_async_16(&tile[0], out + 1);"), `${start}thread 0, line L: the source of an asynchronous copy is not aligned to its size`);
    });

    it("ldmatrix reads elsewhere than from shared memory", async () => {
      assert.equal(await message("uint32_t r[4]; ldmatrix_x4(r, out); out[0] = r[0];"), `${start}thread 0, line L: ldmatrix_x4 is given an address outside of shared memory`);
    });

    it("a kernel's local arrays are larger than a thread's stack", async () => {
      const text = kernel("volatile float own[20000]; own[(int)out[0]] = 1; __syncthreads(); out[0] = own[(int)out[1]];");
      await assert.rejects(compileEmulated(text), /frame size of 80\d+ bytes is larger than 49152 bytes/);
    });

    it("shared memory that nobody wrote is NaN, also in the second block", async () => {
      const image = await compileEmulated(kernel("out[blockIdx.x * 128 + threadIdx.x] = tile[threadIdx.x]; tile[threadIdx.x] = 1.0f;"));
      const { outputs } = await launchKernel({ image, kernel: "subject", grid: 2, threads: 128, arguments: [{ output: 1024 }] });
      assert.ok(floats(outputs[0]).every((value) => Number.isNaN(value)));
    });
  });

  describe("out of bounds", () => {
    const store: readonly [string, string] = ["c[row * N + column] = sum", "c[row * N + column + 1] = sum"];
    const subject = all["matmul-tiled"];

    it("a store before a buffer is an illegal address", async () => {
      assert.ok(subject);
      const { result, errors } = await run(subject, kernelText("matmul-tiled", ["c[row * N + column] = sum", "(c - 2)[row * N + column] = sum"]), {});
      assert.equal(result, illegalAddress);
      assert.match(errors, /wrote at byte -8 of an allocation of 5600 bytes/);
    });

    it("a store behind a buffer is an illegal address, which the real device might not notice", async () => {
      assert.ok(subject);
      const { result, errors } = await run(subject, kernelText("matmul-tiled", store), {});
      assert.equal(result, illegalAddress);
      assert.match(errors, /"matmul_tiled", or one that ran with it, wrote at byte 5600 of an allocation of 5600 bytes/);
    });

    describe("under AddressSanitizer", () => {
      it("right kernels run", async () => {
        for (const [file, one] of Object.entries(all)) {
          const { outputs, errors } = await run(one, kernelText(file), { threads: "reverse" }, true);
          assert.ok(one.isRight(floats(outputs[0])), `${file} ${errors}`);
        }
      });

      for (const [what, change] of [
        ["a store behind a buffer", store],
        ["a load behind a buffer", ["a[row * K + k + x]", "a[row * K + k + x + 1]"]],
        ["a load before a buffer", ["a[row * K + k + x]", "(a - 1)[row * K + k + x]"]],
        ["a store behind a shared array", ["left[y][x] =", "left[y][x + 1] ="]],
      ] as const) {
        it(`${what} ends the process and names the line`, async () => {
          assert.ok(subject);
          const { status, errors } = await run(subject, kernelText("matmul-tiled", change), {}, true);
          assert.notEqual(status, 0);
          assert.match(errors, /AddressSanitizer: (heap|global)-buffer-overflow/);
          assert.match(errors, /in matmul_tiled .*\.cu:\d+/);
        });
      }

      it("a vector that is not aligned ends the process and names the line", async () => {
        const text = `extern "C" __global__ void misaligned(float *x) { *(float4 *)(x + 4) = *(const float4 *)(x + 1); }`;
        const image = await compileEmulated(text, { sanitize: true });
        const { status, errors } = await launchKernel({ image, kernel: "misaligned", grid: 1, threads: 1, arguments: [{ output: 64 }] }, { sanitize: true });
        assert.notEqual(status, 0);
        assert.match(errors, /\.cu:1:\d+: runtime error: .*misaligned address .* requires 16 byte alignment/);
      });
    });
  });
});
