/**
 * The plugin for bundlers: a TypeScript file with models, imported as it is, becomes the package that `tsdlc build` would
 * make of it.
 *
 *   import { step } from "./model.ts";
 *
 * A file is looked at when it imports `tsdlc` and calls something named `model`; whether it has models is for the
 * frontend to say. The module in its place loads the package, exports the models, and has the file's other exports as
 * they were (frontend/remainder.ts). Types are those of model.ts all along, since the checker never sees the other.
 */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createUnplugin, type UnpluginBuildContext, type UnpluginContext } from "unplugin";
import { isDiagnosticsError } from "../report-error.ts";
import { UsageError } from "../usage-error.ts";
import { compileModel, isForPages } from "./compile-model.ts";
import { asset, type EmitFile, filePrefix, spellFiles } from "./file-urls.ts";
import { reportOf } from "./report.ts";
import { type Bundler, isWebpackForNode, surroundingsOf } from "./surroundings.ts";

export interface TsdlcOptions {
  /**
   * What to compile for: cpu, cuda, wgsl, one or several. Else what the build is for: wgsl in a page, cpu in Node, and
   * both where the bundler does not say (rollup).
   */
  readonly target?: string | readonly string[];
  /** Architectures, as `tsdlc build --arch` takes them. */
  readonly arch?: readonly string[];
  /**
   * While developing (Vite's server, webpack's mode "development", rollup's watch mode): "compile" as in a build, the
   * default, or "eager", which leaves the file as it is, to be called op by op with breakpoints between ops.
   */
  readonly dev?: "compile" | "eager";
}

type Context = UnpluginBuildContext & UnpluginContext;

const functionsName = "tsdlcFunctions";
const runtimePackages = ["tsdlc-runtime", "tsdlc-native"];

/** Without queries: `./model.ts?raw` is what its query says. */
const sourceFile = /^[^?\0]+\.([cm]?ts|tsx)$/;
/** Kernels have no line in a page; without a word about it, lines of the new module would be taken for those of the file. */
const noMap = { version: 3, mappings: "", names: [], sources: [] };
const withModel = /\bmodel\s*[(<]/;
const withLibrary = /["']tsdlc["']/;

export const bundlerPlugin = createUnplugin<TsdlcOptions | undefined, false>((options = {}, meta) => {
  const bundler = meta.framework as Bundler;
  checkOptions(options);
  const emitted = new Map<string, Uint8Array>();
  /** Of modules that have faults: the files among which the repair will be. */
  const failing = new Map<string, readonly string[]>();
  return {
    name: "tsdlc",
    enforce: "pre",
    transform: {
      filter: { id: { include: sourceFile, exclude: [/\.d\.[cm]?ts$/, /[\\/]node_modules[\\/]/] }, code: withModel },
      async handler(code, id) {
        return withLibrary.test(code) ? replaceModule(this as Context, { bundler, options, emitted, failing }, code, id) : undefined;
      },
    },
    vite: {
      // Named before its server has seen a module in its new form, so that it need not load the page again.
      config({ build }) {
        const isVite6 = (this as { readonly meta?: { readonly viteVersion?: string } } | undefined)?.meta?.viteVersion === undefined;
        // Its usual target is older than await at the top of a module, and than any browser with WebGPU.
        const target = isVite6 && build?.target === undefined ? { build: { target: "es2022" } } : {};
        return { optimizeDeps: { include: ["tsdlc-runtime"] }, ...target };
      },
      configEnvironment: (name, { resolve, consumer }) => {
        // The runtime has an addon, which is a file of its machine.
        if ((consumer ?? (name === "client" ? "client" : "server")) === "client" || resolve?.external === true) return undefined;
        return { resolve: { external: runtimePackages } };
      },
      // A page that could not load a module does not listen for changes of it.
      hotUpdate({ file }) {
        if ([...failing.values()].some((files) => files.includes(file))) this.environment.hot.send({ type: "full-reload" });
      },
      // Vite would make it a path below its base, which is for pages; files for a server are beside its code.
      resolveFileUrl: ({ fileName, relativePath }) => (emitted.has(fileName) ? `new URL(${JSON.stringify(`./${relativePath}`)}, import.meta.url).href` : undefined),
      // In builds for servers Vite leaves out what was emitted, because those for pages have the pictures and styles.
      async writeBundle({ dir }) {
        if (dir === undefined || this.environment.config.consumer !== "server") return;
        await mkdir(join(dir, "assets"), { recursive: true });
        await Promise.all([...emitted].map(([fileName, source]) => writeFile(join(dir, fileName), source)));
      },
    },
    webpack(compiler) {
      // Before that it does not know what it builds for.
      compiler.hooks.environment.tap("tsdlc", () => {
        if (!isWebpackForNode(compiler)) return;
        // With a target of "node", without a version, webpack takes Node for an old one; the runtime needs one that has it.
        compiler.options.output.environment.dynamicImport = true;
        new compiler.webpack.ExternalsPlugin("import", ({ request }, callback) => {
          if (request !== undefined && isRuntime(request)) callback(undefined, request);
          else callback();
        }).apply(compiler);
      });
    },
    esbuild: {
      onLoadFilter: /\.([cm]?ts|tsx)$/,
      setup(build) {
        if (build.initialOptions.platform === "node") build.onResolve({ filter: /^tsdlc-(runtime|native)(\/|$)/ }, ({ path }) => ({ path, external: true }));
        build.onResolve({ filter: new RegExp(`^${filePrefix}`) }, ({ path }) => ({ path: path.slice(filePrefix.length), namespace: "tsdlc-file" }));
        build.onLoad({ filter: /.*/, namespace: "tsdlc-file" }, async ({ path }) => ({ contents: (await asset(path)).source, loader: "file" }));
      },
    },
  };
});

function isRuntime(request: string): boolean {
  return runtimePackages.some((name) => request === name || request.startsWith(`${name}/`));
}

function checkOptions({ dev, target }: TsdlcOptions): void {
  if (dev !== undefined && !["compile", "eager"].includes(dev)) throw new UsageError(`tsdlc: dev is ${JSON.stringify(dev)}: it is "compile" or "eager"`);
  if (target !== undefined && target.length === 0) throw new UsageError("tsdlc: target names nothing: leave it out, or name cpu, cuda or wgsl");
}

interface PluginState {
  readonly bundler: Bundler;
  readonly options: TsdlcOptions;
  /** By their names in the output. */
  readonly emitted: Map<string, Uint8Array>;
  readonly failing: Map<string, readonly string[]>;
}

async function replaceModule(context: Context, state: PluginState, code: string, file: string): Promise<{ code: string; map: typeof noMap | null } | undefined> {
  const { bundler, options, emitted, failing } = state;
  const { consumer, isDevelopment, root, urls } = surroundingsOf(bundler, context);
  if (isDevelopment && options.dev === "eager") {
    // A compiled module opens its device when it is imported, and so does this one. No line moves.
    return { code: `import { device as tsdlcDevice } from "tsdlc-runtime"; await tsdlcDevice(); ${code}`, map: null };
  }
  const targets = options.target === undefined ? (consumer === "page" ? ["wgsl"] : consumer === "node" ? ["cpu"] : ["cpu", "wgsl"]) : [options.target].flat();
  try {
    const compiled = await compileModel({ file, targets, architectures: options.arch, root, functionsName });
    failing.delete(file);
    if (compiled === undefined) return undefined;
    watch(context, compiled.inputs);
    const files = new Map([...compiled.files].filter(([name]) => consumer !== "page" || isForPages(name)));
    const emitFile: EmitFile = (asset) => {
      emitted.set(asset.fileName, asset.source);
      return context.emitFile({ ...asset });
    };
    const spelled = await spellFiles(files, file, urls, emitFile);
    const list = [...spelled.urls].map(([name, url]) => `  ${JSON.stringify(name)}: ${url},\n`).join("");
    return {
      code: `import { loadPackage as tsdlcLoad } from "tsdlc-runtime";\n${spelled.imports}const ${functionsName} = await tsdlcLoad({\n${list}});\n${compiled.module}`,
      map: noMap,
    };
  } catch (error) {
    const files = isDiagnosticsError(error) ? error.files : [];
    failing.set(file, [file, ...files]);
    watch(context, files);
    fail(context, bundler, error, file);
    return undefined;
  }
}

function watch(context: Context, files: readonly string[]): void {
  for (const file of files) context.addWatchFile(file);
}

/** Says it in the bundler's own way; throws, except with esbuild, which collects errors. */
function fail(context: Context, bundler: Bundler, error: unknown, id: string): void {
  const report = reportOf(error);
  if (report === undefined) throw error;
  const { text, message, loc, frame } = report;
  // Vite prints a column as it is given; the others count from 0, and so does what they print.
  const at = loc === undefined ? {} : { loc: { ...loc, column: bundler === "vite" ? loc.column : loc.column - 1 } };
  switch (bundler) {
    case "vite":
    case "rollup": {
      const withFrame = { message, frame, plugin: "tsdlc", id, ...at };
      return context.error(withFrame);
    }
    case "esbuild": return context.error({ message: text, id, ...at });
    case "webpack": throw Object.assign(new Error(text), { stack: "" });
  }
}
