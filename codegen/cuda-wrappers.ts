/**
 * Hardware features that CUDA C++ has no name for, each behind a function. Its PTX stands here; on a CPU, for tests, the
 * header that the file then includes has a function of the same name.
 */

import type { FactorFormat } from "../ir/ops/matrix.ts";
import type { Definition, MatrixSpelling } from "./target.ts";

/** PTX ISA 7.0: mma.sync. Words are .b32 registers whatever they hold. */
const products: Readonly<Record<FactorFormat, { readonly name: string; readonly shape: string; readonly type: string }>> = {
  tf32: { name: "mma_m16n8k8_tf32", shape: "m16n8k8", type: "tf32" },
  bf16: { name: "mma_m16n8k16_bf16", shape: "m16n8k16", type: "bf16" },
  f16: { name: "mma_m16n8k16_f16", shape: "m16n8k16", type: "f16" },
};

function product(format: FactorFormat): Definition {
  const { name, shape, type } = products[format];
  return {
    name,
    text: () => `#ifndef TSDLC_EMULATED
INLINE void ${name}(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm("mma.sync.aligned.${shape}.row.col.f32.${type}.${type}.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif`,
  };
}

/** PTX ISA 7.0: cvt. The first operand of a pair goes to the high half. */
const conversions: Readonly<Record<FactorFormat, { readonly name: string; readonly parameters: string; readonly ptx: string }>> = {
  tf32: { name: "pack_tf32", parameters: "float x", ptx: 'asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(word) : "f"(x));' },
  bf16: { name: "pack_bf16", parameters: "float low, float high", ptx: 'asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));' },
  f16: { name: "pack_f16", parameters: "float low, float high", ptx: 'asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));' },
};

function conversion(format: FactorFormat): Definition {
  const { name, parameters, ptx } = conversions[format];
  return {
    name,
    text: () => `#ifndef TSDLC_EMULATED
INLINE uint32_t ${name}(${parameters}) {
  uint32_t word;
  ${ptx}
  return word;
}
#endif`,
  };
}

export const cudaMatrix: MatrixSpelling = {
  pack: (format, elements, use) => `${use(conversion(format))}(${elements.join(", ")})`,
  mma: (format, total, left, right, use) => [
    "{",
    `  float d[4] = {${total.join(", ")}};`,
    `  const uint32_t a[4] = {${left.join(", ")}}, b[2] = {${right.join(", ")}};`,
    `  ${use(product(format))}(d, a, b);`,
    ...total.map((register, i) => `  ${register} = d[${i}];`),
    "}",
  ],
};
