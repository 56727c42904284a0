/**
 * What a bundler says about a build: whether it is for pages or for Node, whether somebody is developing, and where the
 * project is. unplugin gives hooks one shape, but these three are in another place with each.
 */

import type { NativeBuildContext, UnpluginBuildContext } from "unplugin";
import type { FileUrls } from "./file-urls.ts";

export type Bundler = "vite" | "webpack" | "rollup" | "esbuild";

export interface BundlerSurroundings {
  /** Undefined where the bundler does not say: then the module is for both. */
  readonly consumer: "page" | "node" | undefined;
  readonly isDevelopment: boolean;
  readonly root: string;
  readonly urls: FileUrls;
}

/** Of Vite's hooks, which have more than unplugin says. */
interface ViteContext {
  readonly environment?: { readonly mode: string; readonly config: { readonly consumer: "client" | "server"; readonly root: string } };
}

interface RollupContext {
  readonly meta?: { readonly watchMode?: boolean };
}

export function surroundingsOf(bundler: Bundler, context: UnpluginBuildContext): BundlerSurroundings {
  switch (bundler) {
    case "vite": {
      const { environment } = context as ViteContext;
      if (environment === undefined) throw new Error("tsdlc/vite needs Vite 6 or later");
      const consumer = environment.config.consumer === "server" ? "node" : "page";
      const isDevelopment = environment.mode === "dev";
      // Vite follows literal URLs in builds for pages alone; its server gives modules a URL beside which files are.
      return { consumer, isDevelopment, root: environment.config.root, urls: consumer === "page" || isDevelopment ? "followed" : "emitted" };
    }
    case "webpack": {
      const native = context.getNativeBuildContext?.() as Extract<NativeBuildContext, { framework: "webpack" }>;
      const { compiler } = native;
      return { consumer: isWebpackForNode(compiler) ? "node" : "page", isDevelopment: compiler.options.mode === "development", root: compiler.context, urls: "followed" };
    }
    case "rollup":
      return { consumer: undefined, isDevelopment: (context as RollupContext).meta?.watchMode === true, root: process.cwd(), urls: "emitted" };
    case "esbuild": {
      const native = context.getNativeBuildContext?.() as Extract<NativeBuildContext, { framework: "esbuild" }>;
      const { platform, absWorkingDir } = native.build.initialOptions;
      // It does not say whether somebody watches.
      return { consumer: platform === "node" ? "node" : platform === "neutral" ? undefined : "page", isDevelopment: false, root: absWorkingDir ?? process.cwd(), urls: "imported" };
    }
  }
}

export function isWebpackForNode(compiler: { readonly platform: { readonly node?: boolean | null } }): boolean {
  return compiler.platform.node === true;
}
