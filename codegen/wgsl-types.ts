/**
 * The WGSL types of scalars, and what numbers of each are written as.
 *
 * i8 and u8 are held in words of 32 bits, and brought back into their range after each op that may leave it
 * (wgsl-narrow.ts). f16 must be enabled in the module. What WGSL has no type for is no longer there: fit-dtypes refused it.
 */

import { roundTo } from "../ir/host.ts";
import type { ScalarDType } from "../ir/type.ts";
import type { Definition, Use } from "./target.ts";

const names: Readonly<Partial<Record<ScalarDType, string>>> = {
  f32: "f32", f16: "f16", i32: "i32", u32: "u32", bool: "bool", index: "u32", i8: "i32", u8: "u32",
};

export function wgslTypeName(dtype: ScalarDType, use: Use): string {
  const name = names[dtype];
  if (name === undefined) throw new Error(`a value of ${dtype} reached a WGSL kernel`);
  return name === "f16" ? use(enableF16) : name;
}

/** A directive in front of everything else (wgsl.ts); its name is the type's. */
const enableF16: Definition = { name: "f16", text: () => "enable f16;" };

/** WGSL refuses infinities and NaN as literals, so they are made of their bits where they are used. */
export function wgslLiteral(dtype: ScalarDType, given: number, use: Use): string {
  if (dtype === "index") return `${given}u`;
  const value = roundTo(dtype, given);
  switch (dtype) {
    case "bool": return value === 0 ? "false" : "true";
    case "u32": case "u8": return `${value}u`;
    case "i32": case "i8": return value === -(2 ** 31) ? "(-2147483647i - 1i)" : `${value}i`;
    default: {
      const type = wgslTypeName(dtype, use);
      if (Number.isFinite(value)) return `${type}(${Object.is(value, -0) ? "-0.0" : /[.e]/.test(String(value)) ? value : `${value}.0`})`;
      const special = `bitcast<f32>(${use(opaque)} | ${Number.isNaN(value) ? "0x7fc00000u" : value > 0 ? "0x7f800000u" : "0xff800000u"})`;
      return type === "f32" ? special : `${type}(${special})`;
    }
  }
}

const opaque: Definition = {
  name: "opaque",
  text: () => "// Read at run time, so that bits made of it are no constant expression.\nvar<private> opaque: u32 = 0u;",
};
