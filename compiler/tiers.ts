/**
 * Which tiers a build is for: from `--target` and `--arch` to the names that passes/limits.ts knows, and the CUDA
 * architectures that machine code is made for.
 */

import { cpuTiers, cuda, wgslTiers } from "../passes/limits.ts";
import { UsageError } from "./usage-error.ts";

/** What `--arch` calls the tiers of the CPU. */
const tiersByName: Readonly<Record<string, string>> = {
  v4: "cpu-x86-64-v4",
  v3: "cpu-x86-64-v3",
  arm64: "cpu-arm64",
};

export interface BuildTargets {
  /** Names of tiers, in the order in which the runtime looks at them. */
  readonly tiers: readonly string[];
  /** What CUDA kernels are compiled to: "compute_80" is PTX, which every later device can compile; "sm_90a" is machine code. */
  readonly cudaArchitectures: readonly string[];
}

/** PTX for this runs on every device from it on. */
const portableArchitecture = "compute_80";

/** The tiers of this kind of machine, widest first: a package built here runs on its neighbours too. */
export function hostTiers(): readonly string[] {
  const prefix = process.arch === "arm64" ? "cpu-arm64" : "cpu-x86-64";
  return cpuTiers.map(({ tier }) => tier).filter((tier) => tier.startsWith(prefix));
}

/** Throws a UsageError. Without `architectures`, all CPU tiers of this kind of machine, and no CUDA machine code. */
export function buildTargets(targets: readonly string[], architectures: readonly string[] = []): BuildTargets {
  const isCuda = (name: string): boolean => /^sm_\d+a?$/.test(name);
  const named = architectures.filter((name) => !isCuda(name));
  const machineCode = architectures.filter(isCuda);
  if (machineCode.length > 0 && !targets.includes("cuda")) {
    throw new UsageError(`${machineCode.join(", ")} is an architecture of CUDA, and cuda is not among the targets`, "add it, as in --target cpu,cuda");
  }
  if (named.length > 0 && !targets.includes("cpu")) throw new UsageError(`${named.join(", ")} names a tier of the CPU, and cpu is not among the targets`, "leave it out, or add the target, as in --target cpu");
  const tiers = targets.flatMap((target) => {
    switch (target) {
      case "cpu": return cpuTierNames(named);
      case "wgsl": return wgslTiers.map(({ tier }) => tier);
      case "cuda": return [cuda.tier];
      default: throw new UsageError(`there is no target "${target}"`, "the targets are cpu, cuda, wgsl");
    }
  });
  return { tiers: [...new Set(tiers)], cudaArchitectures: targets.includes("cuda") ? [portableArchitecture, ...new Set(machineCode)] : [] };
}

function cpuTierNames(names: readonly string[]): readonly string[] {
  if (names.length === 0) return hostTiers();
  const chosen = new Set(names.map((name) => {
    const tier = tiersByName[name];
    if (tier === undefined) throw new UsageError(`there is no architecture "${name}"`, `those of the CPU are ${Object.keys(tiersByName).join(", ")}; those of CUDA are sm_80, sm_90a and the like`);
    return tier;
  }));
  // The runtime takes the first tier that the machine can run, so the order is that of the table.
  return cpuTiers.map(({ tier }) => tier).filter((tier) => chosen.has(tier));
}
