/** What a pass is: a pure function from module to module, and what it may ask about the world it compiles for. */

import type { Module } from "../ir/module.ts";
import type { Precision } from "../ir/signature.ts";
import type { Limits } from "./limits.ts";

export interface Pass {
  readonly name: string;
  run(module: Module, context: PassContext): Module;
}

export interface PassContext {
  /** What the target can do; passes that run before any target is chosen do not have it. */
  readonly limits?: Limits;
  /** Functions that are called from outside, which no pass removes. When absent, those that no other function names. */
  readonly entries?: readonly string[];
  /** What contractions of f32 in an entry may round their factors to, where its model says so. */
  readonly precisions?: ReadonlyMap<string, Precision>;
}
