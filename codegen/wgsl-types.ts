/** The WGSL types of scalars; what the base tier does not have is absent. */

import type { ScalarDType } from "../ir/type.ts";

export const wgslNames: Readonly<Partial<Record<ScalarDType, string>>> = {
  f32: "f32", i32: "i32", u32: "u32", bool: "bool", index: "u32",
  // Held in words, and wrapped after each op.
  i8: "i32", u8: "u32",
};
