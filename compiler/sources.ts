/**
 * The files that a command starts from: the one that was named, or all TypeScript of a folder.
 */

import { readdir, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { DiagnosticsError } from "./diagnostics.ts";

/**
 * Paths as they were given, so that messages name them so. A folder stands for its .ts files at any depth, without
 * declarations, tests, dot folders, node_modules and packages built earlier (`dist`); they are sorted, so that the
 * outcome does not depend on the file system. A path that does not exist is returned: the frontend has the message.
 * Throws a DiagnosticsError for a folder with nothing to build.
 */
export async function findSources(path: string): Promise<readonly string[]> {
  const isFolder = await stat(path).then((found) => found.isDirectory(), () => false);
  if (!isFolder) return [path];
  const names = await readdir(path, { recursive: true });
  const sources = names.filter(isModelSource).sort().map((name) => join(path, name));
  if (sources.length > 0) return sources;
  throw new DiagnosticsError([{
    code: "TSDL4002",
    message: `there is no .ts file in the folder ${path}`,
    labels: [],
    notes: [],
    help: "name the file or folder whose exported model(...) functions are to be built",
  }]);
}

function isModelSource(name: string): boolean {
  if (!name.endsWith(".ts") || /\.(d|test|spec)\.ts$/.test(name)) return false;
  const folders = name.split(sep).slice(0, -1);
  return folders.every((folder) => folder !== "node_modules" && folder !== "dist" && !folder.startsWith("."));
}
