/**
 * What a built package is made of, as file names and texts: package.json, index.js, index.d.ts, program.json, and
 * for each tier its kernels and Programs. Nothing here touches a disk; folder.ts writes what this returns.
 *
 * One index.js serves Node, bundlers and pages without a bundler. Bundlers take along the files whose URLs are written
 * out as `new URL("./name", import.meta.url)`: those that a browser may ask for, and no others.
 */

import type { Signature } from "../../ir/signature.ts";
import type { Compilation, CompiledTier } from "../../lib/compile.ts";
import { type PackageManifest, programFormat, programVersion, type Tier } from "tsdlc-runtime/program";
import { docComment, functionDoc, printDeclarations } from "./declarations.ts";

export interface PackageIdentity {
  /** The npm name. */
  readonly name: string;
  /** Names of the source files, for the headings: "model.ts". */
  readonly sources: readonly string[];
  readonly compilerVersion: string;
  /** What the package needs at run time: "^0.1.0". */
  readonly runtimeRange: string;
}

export interface PackageFile {
  /** Relative to the package's folder, with forward slashes. */
  readonly path: string;
  readonly data: string | Uint8Array;
}

/** A compiled form of a tier's source: "sm_90a" or "compute_80" (runtime/device.ts). */
export interface PackageImage {
  readonly tier: string;
  readonly architecture: string;
  readonly data: Uint8Array;
}

/** Everything but the machine code of the CPU's kernels. */
export function packageFiles(
  identity: PackageIdentity,
  signatures: readonly Signature[],
  compilation: Compilation,
  images: readonly PackageImage[] = [],
): readonly PackageFile[] {
  const title = `${identity.name}: built by tsdlc ${identity.compilerVersion} from ${identity.sources.join(", ")}.`;
  return [
    { path: "package.json", data: printPackageJson(identity) },
    { path: "index.js", data: printEntry(signatures, compilation, title) },
    { path: "index.d.ts", data: printDeclarations(signatures, title) },
    { path: "program.json", data: printManifest(identity, signatures, compilation, images) },
    ...(compilation.constants === undefined ? [] : [{ path: constantsPath, data: compilation.constants }]),
    ...compilation.tiers.flatMap((tier) => [
      { path: sourcePath(tier), data: tier.source },
      { path: programsPath(tier), data: `${JSON.stringify(tier.programs)}\n` },
    ]),
    ...images.map((image) => ({ path: imagePath(image), data: image.data })),
  ];
}

const constantsPath = "constants.bin";

function imagesOf({ name }: CompiledTier, images: readonly PackageImage[]): Pick<Tier, "images"> {
  const own = images.filter(({ tier }) => tier === name);
  return own.length === 0 ? {} : { images: own.map((image) => ({ architecture: image.architecture, file: imagePath(image) })) };
}

const sourceEndings = { cpu: "c", cuda: "cu", wgsl: "wgsl" } as const;

export function sourcePath(tier: CompiledTier): string {
  return `kernels/${tier.name}.${sourceEndings[tier.target]}`;
}

/** What the runtime opens: the machine code for a CPU, else the source itself. */
export function codePath(tier: CompiledTier): string {
  return tier.target === "cpu" ? `kernels/${tier.name}.so` : sourcePath(tier);
}

function programsPath(tier: CompiledTier): string {
  return `kernels/${tier.name}.json`;
}

function imagePath({ tier, architecture }: PackageImage): string {
  return `kernels/${tier}-${architecture}.${architecture.startsWith("compute_") ? "ptx" : "cubin"}`;
}

/** npm allows lower case letters, digits and - . _ ~; other characters of a folder's name become dashes. */
export function packageName(folderName: string): string {
  const name = folderName.toLowerCase().replaceAll(/[^a-z0-9._~-]+/g, "-").replaceAll(/^[._-]+|-+$/g, "");
  return name === "" ? "model" : name;
}

function printPackageJson({ name, sources, compilerVersion, runtimeRange }: PackageIdentity): string {
  const manifest = {
    name,
    version: "0.0.0",
    description: `Built by tsdlc ${compilerVersion} from ${sources.join(", ")}.`,
    type: "module",
    exports: { ".": { types: "./index.d.ts", default: "./index.js" }, "./package.json": "./package.json" },
    types: "./index.d.ts",
    dependencies: { "tsdlc-runtime": runtimeRange },
  };
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}

function printEntry(signatures: readonly Signature[], compilation: Compilation, title: string): string {
  const files = ["program.json", ...browserFiles(compilation)].map((name) => `  "${name}": new URL("./${name}", import.meta.url),\n`);
  return [
    `/** ${title} */\n`,
    `import { loadPackage } from "tsdlc-runtime";\n`,
    `// What a browser needs is named, so that bundlers find it; the rest is beside program.json.`,
    `const functions = await loadPackage({\n${files.join("")}});\n`,
    ...signatures.map((signature) => {
      const { name } = signature;
      return `${docComment(functionDoc(signature), "")}export const ${name} = functions.${name};\n`;
    }),
  ].join("\n");
}

function browserFiles({ tiers, constants }: Compilation): readonly string[] {
  const files = tiers.filter(({ target }) => target === "wgsl").flatMap((tier) => [programsPath(tier), codePath(tier)]);
  return files.length === 0 || constants === undefined ? files : [constantsPath, ...files];
}

function printManifest(identity: PackageIdentity, signatures: readonly Signature[], compilation: Compilation, images: readonly PackageImage[]): string {
  const manifest: PackageManifest = {
    format: programFormat,
    version: programVersion,
    producer: `tsdlc ${identity.compilerVersion}`,
    functions: signatures.map(({ name }) => name),
    tiers: compilation.tiers.map((tier) => ({
      name: tier.name,
      target: tier.target,
      requires: tier.requires,
      code: codePath(tier),
      ...imagesOf(tier, images),
      programs: programsPath(tier),
    })),
    ...(compilation.constants === undefined ? {} : { constants: constantsPath }),
  };
  return `${JSON.stringify(manifest)}\n`;
}
