/**
 * How a module says where a file is that the bundler is to take along; each bundler understands another spelling.
 *
 * | where | spelling |
 * |---|---|
 * | Vite for pages and its server, webpack | `new URL("./kernel.wgsl", import.meta.url)`, which they follow |
 * | rollup, Vite for servers | the file is emitted, and `import.meta.ROLLUP_FILE_URL_x` stands for its place |
 * | esbuild | an import, of which the loader `file` makes the file's name beside the output |
 */

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename, dirname, extname, relative } from "node:path";

export type FileUrls = "followed" | "emitted" | "imported";

/** What rollup's context has: unplugin's type leaves out that a file gets a reference. */
export type EmitFile = (file: { readonly type: "asset"; readonly fileName: string; readonly source: Uint8Array }) => unknown;

/** JavaScript: imports for the top of the module, and an expression for each file's URL. */
export interface SpelledFiles {
  readonly imports: string;
  readonly urls: ReadonlyMap<string, string>;
}

/** What esbuild is asked to import in place of a file's own path, so that no loader of the user's sees it. */
export const filePrefix = "tsdlc-file:";

/** For files by their names, in a module at `importer`. */
export async function spellFiles(files: ReadonlyMap<string, string>, importer: string, way: FileUrls, emitFile: EmitFile): Promise<SpelledFiles> {
  const urls = new Map<string, string>();
  const imports: string[] = [];
  for (const [name, path] of files) {
    switch (way) {
      case "followed":
        urls.set(name, `new URL(${JSON.stringify(relativeUrl(importer, path))}, import.meta.url)`);
        break;
      case "emitted":
        urls.set(name, `new URL(import.meta.ROLLUP_FILE_URL_${String(emitFile({ type: "asset", ...(await asset(path)) }))})`);
        break;
      case "imported":
        imports.push(`import file${imports.length} from ${JSON.stringify(`${filePrefix}${path}`)};\n`);
        urls.set(name, `new URL(file${imports.length - 1}, import.meta.url)`);
    }
  }
  return { imports: imports.join(""), urls };
}

/** Contents in the name, so that a page never sees the kernels of another build. */
export async function asset(path: string): Promise<{ readonly fileName: string; readonly source: Uint8Array }> {
  const source = await readFile(path);
  const hash = createHash("sha256").update(source).digest("hex").slice(0, 8);
  const ending = extname(path);
  return { fileName: `assets/${basename(path, ending)}-${hash}${ending}`, source };
}

function relativeUrl(importer: string, path: string): string {
  const way = relative(dirname(importer), path).replaceAll("\\", "/").split("/").map(encodeURIComponent).join("/");
  return way.startsWith(".") ? way : `./${way}`;
}
