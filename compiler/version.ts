/** The version of the package that this file is in, which is what a built package asks of the runtime. */

import { readFileSync } from "node:fs";

/** package.json is one level up in the sources, two in dist. */
export function readVersion(): string {
  for (const path of ["../package.json", "../../package.json"]) {
    try {
      const manifest = JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8")) as { readonly name?: string; readonly version: string };
      if (manifest.name === "tsdlc") return manifest.version;
    } catch {
      // Not there: the other place.
    }
  }
  throw new Error("tsdlc's package.json is missing beside its code");
}
