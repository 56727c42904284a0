/**
 * Memory without ceremony: a loop of training steps that never releases anything holds no more after thousands of steps
 * than after a few, on each device, with and without a collector that can be called.
 */

import assert from "node:assert/strict";
import { buildStandIn, compilerIdentity } from "../cuda/build-stand-in.ts";
import { absent, cudaTitle, isRealCuda } from "../require-device.ts";
import { runScript } from "../runtime/run-script.ts";
import { useSoftwareVulkan, webgpuForTest } from "../webgpu-adapter.ts";

/** What a step allocates is in megabytes where ops are quick, and small where an emulator runs them. */
interface Loop {
  readonly device: string;
  readonly steps: number;
  readonly rows: number;
  readonly width: number;
  /** Steps between two reads of the loss, which are turns of the event loop; 0 where there are none. */
  readonly readEvery: number;
  /** Bytes that handles may hold at most; a loop that releases nothing passes them at once. */
  readonly most: number;
  /** Growth of the process after the first fifth of the steps, in bytes for each step; Dawn's objects come and go by the hundred megabytes. */
  readonly growth: number;
  readonly nodeOptions?: readonly string[];
  readonly environment?: () => Promise<Readonly<Record<string, string>>>;
}

const script = ({ device, steps, rows, width, readEvery }: Loop): string => `
  import { device, grad, tensor } from "tsdlc";
  const d = await device("${device}");
  const full = (value, shape) => tensor(new Float32Array(shape.reduce((count, size) => count * size, 1)).fill(value), shape);
  const loss = (p, x) => x.matmul(p.w).relu().matmul(p.v).square().mean();
  let params = { w: full(0.01, [64, ${width}]), v: full(0.01, [${width}, 1]) };
  const x = full(0.5, [${rows}, 64]);
  const seen = [];
  for (let i = 1; i <= ${steps}; i++) {
    const g = grad(loss)(params, x);
    params = { w: params.w.sub(g.w.mul(0.01)), v: params.v.sub(g.v.mul(0.01)) };
    if (${readEvery} > 0 && i % ${readEvery} === 0) await params.v.data();
    if (i % ${steps / 5} === 0) seen.push({ peak: d.memory().bytesPeak, resident: process.memoryUsage().rss });
  }
  console.log(JSON.stringify({ seen, loss: (await loss(params, x).data())[0] }));
  process.exit(0);
`;

const cudaStandIn = async (): Promise<Readonly<Record<string, string>>> => {
  if (isRealCuda()) return {};
  const { libcuda, libnvrtc } = await buildStandIn();
  return { TSDLC_CUDA_DRIVER: libcuda, TSDLC_NVRTC: libnvrtc };
};

const withGc = ["--expose-gc"];

const loops: readonly Loop[] = [
  { device: "cpu", steps: 10_000, rows: 256, width: 256, readEvery: 0, most: 400e6, growth: 8000 },
  { device: "cpu", steps: 10_000, rows: 256, width: 256, readEvery: 0, most: 400e6, growth: 8000, nodeOptions: withGc },
  // Without a turn of the event loop Dawn keeps what it knows of each submission; memory of tensors does not wait for one.
  { device: "webgpu", steps: 1000, rows: 8, width: 32, readEvery: 0, most: 20e6, growth: Infinity },
  { device: "webgpu", steps: 10_000, rows: 8, width: 32, readEvery: 20, most: 20e6, growth: 30_000 },
  { device: "webgpu", steps: 3000, rows: 8, width: 32, readEvery: 20, most: 20e6, growth: Infinity, nodeOptions: withGc },
  // A driver stops who is a thousand launches ahead; the stand-in does not, and reads do it in its place.
  { device: "cuda", steps: isRealCuda() ? 10_000 : 1000, rows: 8, width: 32, readEvery: 20, most: 20e6, growth: 100_000, environment: cudaStandIn },
  { device: "cuda", steps: 300, rows: 8, width: 32, readEvery: 20, most: 20e6, growth: Infinity, environment: cudaStandIn, nodeOptions: withGc },
];

describe("memory of ops one by one", function () {
  this.timeout(240_000);
  for (const loop of loops) {
    const { nodeOptions = [] } = loop;
    const title = [`${loop.steps} steps on ${loop.device === "cuda" ? cudaTitle() : loop.device}`, loop.readEvery > 0 ? `a read in every ${loop.readEvery}` : "no read", ...nodeOptions].join(", ");
    it(`is flat: ${title}`, async function () {
      if (!(await isThere(loop.device))) return this.skip();
      const { status, signal, stdout, stderr } = runScript(script(loop), { nodeOptions, environment: (await loop.environment?.()) ?? {}, timeout: 200_000 });
      assert.equal(status, 0, `${signal ?? ""} ${stderr}`);
      const { seen, loss } = JSON.parse(stdout) as { seen: readonly { readonly peak: number; readonly resident: number }[]; loss: number };
      const told = JSON.stringify(seen.map(({ peak, resident }) => [peak, resident].map((bytes) => Math.round(bytes / 1e6))));
      assert.ok((seen.at(-1)?.peak ?? Infinity) < loop.most, `peak and resident MB after each fifth: ${told}`);
      const growth = ((seen.at(-1)?.resident ?? Infinity) - (seen[0]?.resident ?? 0)) / (0.8 * loop.steps);
      assert.ok(growth < loop.growth, `${growth} bytes a step; peak and resident MB after each fifth: ${told}`);
      assert.ok(loss < 0.01, `it trained: the loss is ${loss}`);
    });
  }

  it("is flat where each step brings new data, and the device is far behind", () => {
    const { status, stdout, stderr } = runScript(`
      import { tensor, withDevice } from "tsdlc";
      import { createCpuDevice } from "tsdlc-runtime/cpu";
      const slow = createCpuDevice({ threads: 1, limitBytes: 400e6 });
      const made = withDevice(slow, () => {
        let sum = tensor([0]);
        for (let i = 0; i < 400; i++) {
          const x = tensor(new Float32Array(250_000).fill(0.001 * i), [500, 500]);
          sum = sum.add(x.matmul(x).matmul(x).matmul(x).sum());
        }
        return sum;
      });
      console.log(made.item() > 0, slow.memory().bytesPeak);
    `);
    assert.equal(status, 0, stderr);
    const [isMade, peak] = stdout.trim().split(" ");
    assert.equal(isMade, "true");
    assert.ok(Number(peak) < 150e6, `the peak is ${peak}: 400 batches of 1 MB wait for a device that may use 400 MB`);
  });
});

async function isThere(device: string): Promise<boolean> {
  if (device === "cuda") {
    if (isRealCuda() || (await compilerIdentity()) !== undefined) return true;
    absent("cuda-emulated", "there is no g++");
    return false;
  }
  if (device !== "webgpu") return true;
  useSoftwareVulkan();
  const found = await webgpuForTest();
  found?.destroy();
  return found !== undefined;
}
