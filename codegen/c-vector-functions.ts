/**
 * Functions of float vectors that C has no operator for: fused multiply-add, square root, rounding, the larger and the
 * smaller of two.
 *
 * Compilers have builtins for them, each its own. The C asks with __has_builtin and takes the first that is there; the
 * last resort is one lane at a time. Headers such as immintrin.h would say the same, and cost more time to compile than
 * most kernels.
 */

import { cTypeName, laneBytes } from "./c-types.ts";
import type { ScalarType } from "../ir/type.ts";
import type { Definition, Use } from "./target.ts";

export type VectorFunction = "fma" | "sqrt" | "floor" | "ceil" | "round" | "larger" | "smaller";

const parameterNames = "xyz";

const parameterCounts: Readonly<Record<VectorFunction, number>> = { fma: 3, sqrt: 1, floor: 1, ceil: 1, round: 1, larger: 2, smaller: 2 };

/** A builtin and its arguments. */
type Candidate = readonly [builtin: string, call: string];

/** `otherwise` is the body, over x, y and z, where no builtin is known. */
export function vectorFunction(name: VectorFunction, type: ScalarType, otherwise: (use: Use) => string): Definition {
  const full = `${name}_${type.dtype}x${type.lanes}`;
  return {
    name: full,
    text: (use) => {
      const vector = cTypeName(type, use);
      const parameters = [...parameterNames].slice(0, parameterCounts[name]).map((parameter) => `${vector} ${parameter}`).join(", ");
      const candidates = [...genericBuiltins(name), ...x86Builtins(name, type), ...armBuiltins(name, type)];
      const choices = candidates.map(([builtin, call], i) => `#${i === 0 ? "if" : "elif"} __has_builtin(${builtin})\n  return ${builtin}(${call});\n`);
      const choice = choices.length === 0 ? otherwise(use) : `${choices.join("")}#else\n${otherwise(use)}\n#endif`;
      return `INLINE ${vector} ${full}(${parameters}) {\n${choice}\n}`;
    },
  };
}

/** Clang's, for vectors of any length. */
function genericBuiltins(name: VectorFunction): readonly Candidate[] {
  switch (name) {
    case "fma": return [["__builtin_elementwise_fma", "x, y, z"]];
    case "sqrt": return [["__builtin_elementwise_sqrt", "x"]];
    case "floor": return [["__builtin_elementwise_floor", "x"]];
    case "ceil": return [["__builtin_elementwise_ceil", "x"]];
    case "round": return [["__builtin_elementwise_roundeven", "x"]];
    case "larger":
    case "smaller": return [];
  }
}

/** Of f32 (ps) and f64 (pd) in registers of 16, 32 and 64 bytes; those of 64 take a mask, all lanes here, and a rounding mode, 4 for the current one. */
function x86Builtins(name: VectorFunction, { dtype, lanes }: ScalarType): readonly Candidate[] {
  const element = dtype === "f32" ? "ps" : dtype === "f64" ? "pd" : undefined;
  const bytes = lanes * laneBytes(dtype);
  if (element === undefined || ![16, 32, 64].includes(bytes)) return [];
  const isWide = bytes === 64;
  const suffix = bytes === 16 ? element : `${element}${bytes * 8}`;
  switch (name) {
    case "fma": return isWide ? [[`__builtin_ia32_vfmadd${suffix}_mask`, "x, y, z, -1, 4"]] : [[`__builtin_ia32_vfmadd${suffix}`, "x, y, z"]];
    case "sqrt": return isWide ? [[`__builtin_ia32_sqrt${suffix}_mask`, "x, x, -1, 4"]] : [[`__builtin_ia32_sqrt${suffix}`, "x"]];
    case "larger": return isWide ? [[`__builtin_ia32_max${suffix}_mask`, "x, y, y, -1, 4"]] : [[`__builtin_ia32_max${suffix}`, "x, y"]];
    case "smaller": return isWide ? [[`__builtin_ia32_min${suffix}_mask`, "x, y, y, -1, 4"]] : [[`__builtin_ia32_min${suffix}`, "x, y"]];
    case "floor":
    case "ceil":
    case "round": {
      // To the nearest, down and up are 0, 1 and 2; 8 keeps the inexact flag as it is.
      const mode = { round: 8, floor: 9, ceil: 10 }[name];
      return isWide ? [[`__builtin_ia32_rndscale${element}_mask`, `x, ${mode}, x, -1, 4`]] : [[`__builtin_ia32_round${suffix}`, `x, ${mode}`]];
    }
  }
}

/** GCC's, of f32 (sf) and f64 (df) in registers of 8 and 16 bytes. */
function armBuiltins(name: VectorFunction, { dtype, lanes }: ScalarType): readonly Candidate[] {
  const element = dtype === "f32" ? "sf" : dtype === "f64" ? "df" : undefined;
  const bytes = lanes * laneBytes(dtype);
  if (element === undefined || (bytes !== 16 && !(bytes === 8 && element === "sf"))) return [];
  switch (name) {
    case "fma": return [[`__builtin_aarch64_fmav${lanes}${element}`, "x, y, z"]];
    case "sqrt":
    case "floor":
    case "ceil": return [[`__builtin_aarch64_${name}v${lanes}${element}`, "x"]];
    case "round": return [[`__builtin_aarch64_roundevenv${lanes}${element}`, "x"]];
    case "larger":
    case "smaller": return [];
  }
}
