/**
 * Peers are no dependencies of the project: they are installed beside this file, at their first use, from the manifests
 * here. npm runs no install scripts (onnxruntime-node's would fetch GPU libraries; what the CPU needs is in the package).
 */

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

export const peersFolder = import.meta.dirname;

/** Resolves modules as a file in this folder would. */
export const requirePeer = createRequire(join(peersFolder, "package.json"));

const node: { outcome?: { readonly problem: string | undefined } } = {};

/** Installs what package.json beside this file names; the reason when that fails. Tried once. */
export function installNodePeers(): string | undefined {
  node.outcome ??= { problem: runNpm() };
  return node.outcome.problem;
}

function runNpm(): string | undefined {
  const { dependencies } = JSON.parse(readFileSync(join(peersFolder, "package.json"), "utf8")) as { dependencies: Record<string, string> };
  const missing = Object.entries(dependencies).filter(([name, version]) => installedVersion(name) !== version);
  if (missing.length === 0) return undefined;
  process.stderr.write(`installing peers of the bench (${missing.map(([name]) => name).join(", ")}) ...\n`);
  const npm = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: peersFolder, encoding: "utf8" });
  if (npm.status === 0) return undefined;
  return `the peers cannot be installed (npm ci in bench/peers: ${complaint(npm.error?.message ?? npm.stderr, "npm error")})`;
}

/** Of a package in this folder's node_modules, whose own exports may hide its manifest. */
export function installedVersion(name: string): string | undefined {
  const manifest = join(peersFolder, "node_modules", name, "package.json");
  return existsSync(manifest) ? (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version : undefined;
}

export type Python = { readonly executable: string } | { readonly problem: string };

/** Each has a manifest and an environment of its own: what they pin may differ, and one can be there without the others. */
const pythonPeers = {
  JAX: { folder: ".venv", requirements: "requirements.txt" },
  TensorFlow: { folder: ".venv-tensorflow", requirements: "requirements-tensorflow.txt" },
  PyTorch: { folder: ".venv-torch", requirements: "requirements-torch.txt" },
} as const;

const pythons = new Map<string, Python>();

/** A virtual environment with exactly what the manifest pins. Tried once. */
export function installPythonPeers(name: keyof typeof pythonPeers = "JAX"): Python {
  const python = pythons.get(name) ?? makeEnvironment(name);
  pythons.set(name, python);
  return python;
}

function makeEnvironment(name: keyof typeof pythonPeers): Python {
  const [folder, requirements] = [join(peersFolder, pythonPeers[name].folder), join(peersFolder, pythonPeers[name].requirements)];
  const executable = join(folder, "bin/python");
  // Looked at each time: a half-made environment, or one of older pins, is then made whole.
  const isThere = existsSync(executable) && spawnSync(executable, ["-c", checkPins, requirements]).status === 0;
  if (isThere) return { executable };
  process.stderr.write(`installing peers of the bench (${name}) ...\n`);
  for (const [command, args] of [
    ["python3", ["-m", "venv", folder]],
    [executable, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "-r", requirements]],
  ] as const) {
    const { status, error, stderr } = spawnSync(command, args, { encoding: "utf8" });
    if (status !== 0) return { problem: `${name} cannot be installed (${[command, ...args.slice(0, 3)].join(" ")}: ${complaint(error?.message ?? stderr, "ERROR")})` };
  }
  return { executable };
}

/** Ends with 1 unless every "name==version" of the file is what is installed. */
const checkPins = `
import importlib.metadata as installed, sys
for line in open(sys.argv[1]):
    name, _, version = line.split("#")[0].strip().partition("==")
    try:
        if name and installed.version(name) != version: sys.exit(1)
    except installed.PackageNotFoundError: sys.exit(1)
`;

/** The line that says what is wrong; warnings come first. */
function complaint(output: string, start: string): string {
  const lines = output.trim().split("\n");
  return lines.find((line) => line.startsWith(start)) ?? lines[0] ?? "";
}
