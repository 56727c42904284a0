/**
 * From a compilation to a package on the disk: the files, and the C compiler's work for each tier.
 */

import { join } from "node:path";
import type { Signature } from "../../ir/signature.ts";
import type { Compilation, CompiledTier } from "../../lib/compile.ts";
import { compileC, compileText } from "tsdlc-runtime/toolchain";
import type { Progress } from "../progress.ts";
import { UsageError } from "../usage-error.ts";
import { codePath, packageFiles, type PackageIdentity, type PackageImage, sourcePath } from "./contents.ts";
import { createPendingFolder } from "./folder.ts";

/** Writes the package to `out`, whole or not at all; returns the paths of its files, relative to it. */
export async function writePackage(
  out: string,
  identity: PackageIdentity,
  signatures: readonly Signature[],
  compilation: Compilation,
  cudaArchitectures: readonly string[],
  progress: Progress,
): Promise<readonly string[]> {
  const images = await compileImages(compilation.tiers.filter(({ target }) => target === "cuda"), cudaArchitectures, progress);
  const contents = packageFiles(identity, signatures, compilation, images);
  const pending = await createPendingFolder(out);
  try {
    for (const file of contents) await pending.write(file);
    const inC = compilation.tiers.filter(({ target }) => target === "cpu");
    const names = inC.map((tier) => tier.name.replace(/^cpu-(x86-64-)?/, "")).join(", ");
    if (inC.length > 0) await progress.phase(`cc ${names}`, () => compileTiers(pending.path, inC));
    await progress.phase("write", () => pending.publish());
  } catch (error) {
    await pending.discard();
    throw error;
  }
  return [...new Set([...contents.map(({ path }) => path), ...compilation.tiers.map(codePath)])];
}

/**
 * CUDA kernels compiled for each architecture; none where this machine has no CUDA compiler, and then the machine that
 * runs the package needs one. Asked for machine code by name, that is an error.
 */
async function compileImages(tiers: readonly CompiledTier[], architectures: readonly string[], progress: Progress): Promise<readonly PackageImage[]> {
  if (tiers.length === 0) return [];
  const { compileCuda, cudaCompilerIdentity } = await import("tsdlc-runtime/cuda-toolchain");
  const compiler = await cudaCompilerIdentity();
  if (compiler === undefined) {
    const named = architectures.filter((name) => name.startsWith("sm_"));
    if (named.length > 0) {
      throw new UsageError(
        `${named.join(", ")} needs a CUDA compiler, and there is neither NVRTC nor nvcc on this machine`,
        "install the CUDA toolkit, name NVRTC's library in TSDLC_NVRTC, or leave --arch out: the package then compiles its kernels where it is loaded",
      );
    }
    return [];
  }
  return progress.phase(`${compiler} ${architectures.join(", ")}`, () => Promise.all(tiers.flatMap((tier) => architectures.map(async (architecture): Promise<PackageImage> => {
    const image = await compileCuda(tier.source, architecture);
    if (image === undefined) throw new Error(`${compiler} was there a moment ago`);
    return { tier: tier.name, architecture, data: await image.read() };
  }))));
}

/** All tiers at once; waits for every compiler even when one has failed, because the folder is about to be removed. */
async function compileTiers(folder: string, tiers: readonly CompiledTier[]): Promise<void> {
  const outcomes = await Promise.allSettled(tiers.map(async (tier) => {
    try {
      await compileC({ source: join(folder, sourcePath(tier)), output: join(folder, codePath(tier)), flags: tier.flags });
    } catch (error) {
      throw await explain(error, tier);
    }
  }));
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") throw outcome.reason;
  }
}

/**
 * What a failure of the C compiler is: asked to compile next to nothing, it refuses that too where the fault is in the
 * compiler, or in the options that CC gives it, and not in the code of the tier.
 */
async function explain(error: unknown, tier: CompiledTier): Promise<unknown> {
  const { CompileError, CompilerMissingError } = await import("tsdlc-runtime");
  const refusal = (flags: readonly string[]): Promise<unknown> => compileText("int nothing;\n", flags).then(() => undefined, (reason: unknown) => reason);
  if ((await refusal(tier.flags)) === undefined) return error;
  if ((await refusal(tier.flags.filter((flag) => !flag.startsWith("-m")))) === undefined) return foreignTier(tier);
  const plain = await refusal([]);
  if (!(plain instanceof CompileError)) return error;
  const said = plain.message.split("\n").slice(1).map((line) => `  ${line}\n`).join("");
  return new CompilerMissingError(`the C compiler, with the options that CC gives it, refused even an empty program:\n${said}Correct CC, or leave it unset for cc`, { cause: error });
}

function foreignTier({ name, flags }: CompiledTier): UsageError {
  const example = name === "cpu-arm64" ? "CC=aarch64-linux-gnu-gcc tsdlc build ... --arch arm64" : "CC=x86_64-linux-gnu-gcc tsdlc build ... --arch v3,v4";
  return new UsageError(
    `the C compiler has no code for the tier ${name}: it does not take ${flags.filter((flag) => flag.startsWith("-m")).join(" ")}`,
    `name one that does in CC, as in: ${example}`,
  );
}
