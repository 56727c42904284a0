/**
 * What a function needs to run, as plain data: buffers with roles and lifetimes, and the steps that fill them.
 *
 * It is a Program (runtime/program.ts) that still speaks of types and functions: plan-memory makes it, and codegen
 * writes it down. Steps are counted depth first.
 */

import type { StackType, TensorType } from "./type.ts";

export interface MemoryPlan {
  readonly buffers: readonly PlannedBuffer[];
  readonly stacks: readonly StackType[];
  readonly steps: readonly PlannedStep[];
  /** The buffer of each result of the function. */
  readonly results: readonly number[];
}

export interface PlannedBuffer {
  readonly type: TensorType;
  readonly role: BufferRole;
}

export type BufferRole =
  | { readonly kind: "parameter"; readonly leaf: number }
  /** `reuses` is a donated parameter that nothing reads once this is written. */
  | { readonly kind: "result"; readonly reuses: number | undefined }
  | { readonly kind: "temporary"; readonly first: number; readonly last: number }
  | { readonly kind: "alias"; readonly of: number }
  /** Position in the pool. */
  | { readonly kind: "constant"; readonly offset: number };

export type PlannedStep =
  /** `kernel` is the name of a function of the module. */
  | { readonly kind: "launch"; readonly kernel: string; readonly buffers: readonly number[] }
  | { readonly kind: "copy"; readonly from: number; readonly to: number }
  | { readonly kind: "if"; readonly condition: number; readonly then: readonly PlannedStep[]; readonly otherwise: readonly PlannedStep[] }
  | { readonly kind: "loop"; readonly head: readonly PlannedStep[]; readonly condition: number; readonly body: readonly PlannedStep[] }
  | { readonly kind: "repeat"; readonly turns: number; readonly body: readonly PlannedStep[] }
  | { readonly kind: "push" | "pop"; readonly stack: number; readonly buffer: number }
  | { readonly kind: "clear"; readonly stack: number };
