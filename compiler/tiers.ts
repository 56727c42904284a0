/**
 * Which tiers a build is for: from `--target` and `--arch` to the names that passes/limits.ts knows.
 */

import { cpuTiers } from "../passes/limits.ts";
import { UsageError } from "./usage-error.ts";

/** What `--arch` calls the tiers of the CPU. */
const tiersByName: Readonly<Record<string, string>> = {
  v4: "cpu-x86-64-v4",
  v3: "cpu-x86-64-v3",
  arm64: "cpu-arm64",
};

/** The tiers of this kind of machine, widest first: a package built here runs on its neighbours too. */
export function hostTiers(): readonly string[] {
  const prefix = process.arch === "arm64" ? "cpu-arm64" : "cpu-x86-64";
  return cpuTiers.map(({ tier }) => tier).filter((tier) => tier.startsWith(prefix));
}

/** The tiers for a target; without `architectures`, all of this kind of machine. Throws a UsageError. */
export function tierNames(target: string, architectures: readonly string[] | undefined): readonly string[] {
  if (target === "cuda" || target === "wgsl") {
    throw new UsageError(`packages for ${target} cannot be built yet`, "the target of this version is cpu");
  }
  if (target !== "cpu") throw new UsageError(`there is no target "${target}"`, "the target of this version is cpu");
  if (architectures === undefined) return hostTiers();
  const chosen = new Set(architectures.map((name) => {
    const tier = tiersByName[name];
    if (tier === undefined) throw new UsageError(`there is no CPU tier "${name}"`, `the tiers are ${Object.keys(tiersByName).join(", ")}`);
    return tier;
  }));
  // The runtime takes the first tier that the machine can run, so the order is that of the table.
  return cpuTiers.map(({ tier }) => tier).filter((tier) => chosen.has(tier));
}
