/**
 * From a compilation to a package on the disk: the files, and the C compiler's work for each tier.
 */

import { join } from "node:path";
import type { Signature } from "../../ir/signature.ts";
import type { Compilation, CompiledTier } from "../../lib/compile.ts";
import { compileC } from "tsdlc-runtime/toolchain";
import type { Progress } from "../progress.ts";
import { codePath, packageFiles, type PackageIdentity, sourcePath } from "./contents.ts";
import { createPendingFolder } from "./folder.ts";

/** Writes the package to `out`, whole or not at all; returns the paths of its files, relative to it. */
export async function writePackage(
  out: string,
  identity: PackageIdentity,
  signatures: readonly Signature[],
  compilation: Compilation,
  progress: Progress,
): Promise<readonly string[]> {
  const contents = packageFiles(identity, signatures, compilation);
  const pending = await createPendingFolder(out);
  try {
    for (const file of contents) await pending.write(file);
    const tiers = compilation.tiers.map((tier) => tier.name.replace(/^cpu-(x86-64-)?/, "")).join(", ");
    await progress.phase(`cc ${tiers}`, () => compileTiers(pending.path, compilation.tiers));
    await progress.phase("write", () => pending.publish());
  } catch (error) {
    await pending.discard();
    throw error;
  }
  return [...contents.map(({ path }) => path), ...compilation.tiers.map(codePath)];
}

/** All tiers at once; waits for every compiler even when one has failed, because the folder is about to be removed. */
async function compileTiers(folder: string, tiers: readonly CompiledTier[]): Promise<void> {
  const outcomes = await Promise.allSettled(tiers.map((tier) =>
    compileC({ source: join(folder, sourcePath(tier)), output: join(folder, codePath(tier)), flags: tier.flags }),
  ));
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") throw outcome.reason;
  }
}
