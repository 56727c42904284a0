/**
 * A browser for tests: Chromium of the system, driven by playwright-core, with WebGPU on SwiftShader, which renders on
 * the processor. Pages come from Vite, or from a server of files that knows nothing.
 */

import { accessSync, constants } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, extname, join, resolve } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { createServer, type InlineConfig } from "vite";
import { absent } from "./require-device.ts";

const names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

const quiet = ["--no-sandbox", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-component-update"];

// Unsafe in name: without it Chromium gives no WebGPU where there is no GPU that it trusts. It also shows features that
// users do not have, so a feature that is seen here proves nothing.
const softwareWebGpu = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

/** A browser, or undefined, with the reason printed, where none is installed. */
export async function browserForTest(): Promise<Browser | undefined> {
  const executablePath = findChromium();
  if (executablePath === undefined) return absent("browser", `no ${names.join(", ")} is installed`);
  return chromium.launch({ executablePath, args: [...quiet, ...softwareWebGpu] });
}

function findChromium(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** What package.json says with its field "browser", which is about built files. */
function isEagerHost(name: string, importer: string | undefined): boolean {
  return name === "./host.ts" && importer?.includes("/lib/eager/") === true;
}

export interface SourcesPage {
  readonly watched: WatchedPage;
  close(): Promise<void>;
}

/**
 * A page of the repository in a browser, served from its sources, when the page has said what it can do
 * (globalThis.tsdlcPage); undefined, with the reason printed, where there is no browser.
 */
export async function openSources(path: string): Promise<SourcesPage | undefined> {
  const browser = await browserForTest();
  if (browser === undefined) return undefined;
  const cache = await mkdtemp(join(tmpdir(), "tsdlc-vite-"));
  const root = resolve(import.meta.dirname, "..");
  const served = await serveByVite({
    configFile: false, root, cacheDir: cache, appType: "mpa", optimizeDeps: { noDiscovery: true }, resolve: { conditions: ["source"] },
    plugins: [{ name: "host-browser", enforce: "pre", resolveId: (name, importer) => (isEagerHost(name, importer) ? join(root, "lib/eager/host-browser.ts") : undefined) }],
  });
  const watched = await openPage(browser);
  await watched.page.goto(`${served.url}${path}`);
  await watched.page.waitForFunction("globalThis.tsdlcPage !== undefined");
  return {
    watched,
    async close() {
      await browser.close();
      await served.close();
      await rm(cache, { recursive: true });
    },
  };
}

export interface WatchedPage {
  readonly page: Page;
  /** What went wrong in it so far: console errors and warnings, exceptions, requests without an answer. */
  readonly faults: readonly string[];
}

export async function openPage(browser: Browser, options: Parameters<Browser["newPage"]>[0] = {}): Promise<WatchedPage> {
  const page = await browser.newPage(options);
  const faults: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) faults.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("requestfailed", (request) => faults.push(`${request.url()}: ${request.failure()?.errorText}`));
  page.on("response", (response) => {
    if (response.status() >= 400) faults.push(`${response.url()}: ${response.status()}`);
  });
  return { page, faults };
}

export interface Served {
  /** Ends with a slash. */
  readonly url: string;
  close(): Promise<void>;
}

/** Vite's dev server on a port of its own, looking at no change. */
export async function serveByVite(config: InlineConfig): Promise<Served> {
  const server = await createServer({
    logLevel: "error",
    ...config,
    server: { host: "127.0.0.1", port: 0, watch: null, hmr: false, ...config.server },
  });
  await server.listen();
  const [url] = server.resolvedUrls?.local ?? [];
  if (url === undefined) throw new Error("Vite's server has no address");
  return { url, close: () => server.close() };
}

const types: Readonly<Record<string, string>> = { ".html": "text/html", ".js": "text/javascript", ".json": "application/json", ".css": "text/css" };

/** Files of folders as they are, by the first part of the path; links are followed, as Node does. */
export async function serveFiles(folders: Readonly<Record<string, string>>): Promise<Served> {
  const server = createHttpServer((request, response) => {
    const [, first = "", ...rest] = new URL(request.url ?? "/", "http://localhost").pathname.split("/");
    const folder = folders[first];
    const path = resolve(folder ?? "/", rest.join("/"));
    const isInside = folder !== undefined && path.startsWith(resolve(folder));
    (isInside ? readFile(path) : Promise.reject(new Error("outside"))).then(
      (bytes) => response.writeHead(200, { "content-type": types[extname(path)] ?? "application/octet-stream" }).end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, close };
}
