/**
 * What a target can do, as numbers that schedules read. The target's name says only which schedule there is, and whether
 * functions are expanded; all sizes are policy by number.
 *
 * A tier is one kind of machine that a package carries code for; each has its own limits, kernels and Programs.
 */

import { type DType, dtypes } from "../ir/type.ts";

export interface Limits {
  /** Name of the tier: "cpu-x86-64-v4". */
  readonly tier: string;
  readonly target: "cpu" | "cuda" | "wgsl";
  /** Bytes of a vector register that a schedule fills; 0 where lanes are threads. */
  readonly vectorBytes: number;
  /** Vector registers that a register block may use. */
  readonly vectorRegisters: number;
  /** Threads of a block that a schedule fills; 0 where there are no blocks. */
  readonly threads: number;
  /** Bytes that the threads of a block may share. */
  readonly sharedBytes: number;
  /** What the threads of a launch may add to at once. */
  readonly atomics: readonly DType[];
  /** Whether warps multiply small matrices (ir/ops/matrix.ts). */
  readonly hasMatrixUnits: boolean;
  /** Neighbouring threads of a block, from a multiple of it on, that exchange registers without a barrier; 0 for none. */
  readonly subgroup: number;
  /** Bytes that one thread loads or stores at once at the most, of neighbouring elements; 0 where vectors are for lanes. */
  readonly wideBytes: number;
  /**
   * Whether memory that is loaded or stored several elements at a time may be stored to an element at a time as well.
   * Where it may not, memory is declared as vectors of four elements, and a store to one may write all of its vector.
   */
  readonly mixesWidths: boolean;
  /** Bytes of scratch memory that one grid item may have for one value. */
  readonly scratchBytes: number;
  /** Buffers that one kernel may use. */
  readonly buffers: number;
  /** What its values may be. */
  readonly dtypes: readonly DType[];
  /** The dtype for whose sake the tier is there: packages without a value of it leave the tier out (choose-tiers.ts). */
  readonly onlyFor?: DType;
  /** CPU features the machine must have, as the runtime spells them. */
  readonly requires: readonly string[];
  /** What the C compiler needs to be told. */
  readonly flags: readonly string[];
}

const cpu = {
  target: "cpu", threads: 0, sharedBytes: 0, atomics: [], hasMatrixUnits: false, subgroup: 0, wideBytes: 0, mixesWidths: true, scratchBytes: 32 * 1024, buffers: 64, dtypes,
} as const;

/**
 * Integers wrap; a product and a sum are never joined behind our back (-ffp-contract=off), so that fused multiply-add
 * happens exactly where the IR says so; nothing reads errno or floating-point traps.
 */
const cFlags = ["-std=gnu11", "-O2", "-fwrapv", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"];

/** The CPU tiers a package can carry, widest first: the runtime takes the first whose features are there. */
export const cpuTiers: readonly Limits[] = [
  {
    ...cpu,
    tier: "cpu-x86-64-v4",
    vectorBytes: 64,
    vectorRegisters: 32,
    requires: ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx2", "fma", "bmi2"],
    flags: [...cFlags, "-march=x86-64-v4", "-mprefer-vector-width=512"],
  },
  {
    ...cpu,
    tier: "cpu-x86-64-v3",
    vectorBytes: 32,
    vectorRegisters: 16,
    requires: ["avx2", "fma", "bmi2"],
    flags: [...cFlags, "-march=x86-64-v3"],
  },
  {
    ...cpu,
    tier: "cpu-arm64",
    vectorBytes: 16,
    vectorRegisters: 32,
    requires: ["neon"],
    flags: [...cFlags, "-march=armv8-a"],
  },
];

/** WebGPU's default limits: what every adapter grants without being asked. */
export const wgslBase: Limits = {
  tier: "wgsl-base",
  target: "wgsl",
  vectorBytes: 0,
  vectorRegisters: 0,
  threads: 256,
  sharedBytes: 16 * 1024,
  // Of words: i8 and u8 are held in them, f16 is not.
  atomics: ["f32", "i32", "u32", "i8", "u8"],
  hasMatrixUnits: false,
  subgroup: 0,
  wideBytes: 16,
  mixesWidths: false,
  scratchBytes: 0,
  buffers: 8,
  // i8 and u8 are held in words, and wrapped after each op (codegen/wgsl-elementwise.ts).
  dtypes: ["f32", "i32", "u32", "bool", "i8", "u8"],
  requires: [],
  flags: [],
};

/** The same with the f16 that many adapters have and must be asked for. */
export const wgslF16: Limits = {
  ...wgslBase,
  tier: "wgsl-f16",
  dtypes: [...wgslBase.dtypes, "f16"],
  onlyFor: "f16",
  requires: ["shader-f16"],
};

/**
 * The same where neighbours are known to share a subgroup. WGSL does not say which threads of a workgroup do, so the
 * runtime tries it on the adapter (runtime/webgpu-subgroups.ts) before it says that a device has what is required.
 */
export const wgslSubgroups: Limits = { ...wgslBase, tier: "wgsl-subgroups", subgroup: 8, requires: ["subgroups"] };

export const wgslF16Subgroups: Limits = { ...wgslF16, tier: "wgsl-f16-subgroups", subgroup: 8, requires: ["shader-f16", "subgroups"] };

/**
 * CUDA from Ampere on: what every such device grants a kernel that asks for nothing. A block of 256 threads leaves each
 * 255 registers, and eight of them fill a multiprocessor.
 */
export const cuda: Limits = {
  tier: "cuda",
  target: "cuda",
  vectorBytes: 0,
  vectorRegisters: 0,
  threads: 256,
  sharedBytes: 48 * 1024,
  atomics: dtypes,
  hasMatrixUnits: true,
  subgroup: 32,
  wideBytes: 16,
  mixesWidths: true,
  scratchBytes: 0,
  buffers: 64,
  dtypes,
  requires: [],
  flags: [],
};

/** The tiers of WebGPU that a package can carry, the one that asks for most first. */
export const wgslTiers: readonly Limits[] = [wgslF16Subgroups, wgslF16, wgslSubgroups, wgslBase];

export function findLimits(tier: string): Limits {
  const tiers = [...cpuTiers, ...wgslTiers, cuda];
  const found = tiers.find((limits) => limits.tier === tier);
  if (found === undefined) throw new RangeError(`there is no tier "${tier}"; there are ${tiers.map((limits) => limits.tier).join(", ")}`);
  return found;
}
