/**
 * Emitted CUDA through NVIDIA's own compilers, for the oldest and the newest architecture that packages are built for: the
 * kernels of every sample of the op table, in the dtypes of the table and in those that it does not use; of whole models;
 * of products at the sizes that matter, in each precision. What this cannot show is a wrong number; for that the same
 * kernels run on the emulator.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { compileSource } from "../../compiler/frontend/compile-source.ts";
import type { Module } from "../../ir/module.ts";
import { parse } from "../../ir/parse.ts";
import type { Precision, Signature } from "../../ir/signature.ts";
import { compileModule } from "../../lib/compile.ts";
import { type SampleCase, sampleCases, standInCases, standIns } from "../compile/sample-cases.ts";
import { signatureOf } from "../compile/signature-of.ts";
import { allowances, type Finding, lint, unallowed, unneeded } from "./lint.ts";
import { buildTimeout, needsEmulator, needsToolkit } from "./present.ts";
import { compileForArchitecture } from "./real-compiler.ts";

const architectures = ["sm_80", "sm_90a"];

/** Whole models, and what their products may be rounded to. */
const models: Readonly<Record<string, readonly Precision[]>> = {
  "test/lib/composite-models.ts": ["f32"],
  "test/compile/kernel-count-models.ts": ["f32"],
  "test/reference/models.ts": ["f32"],
  "examples/mnist/model.ts": ["f32", "tf32", "bf16"],
};

interface Product {
  readonly name: string;
  readonly dtype: string;
  readonly precision?: Precision;
  /** Rows, terms and columns. */
  readonly sizes: readonly [m: number | string, k: number | string, n: number | string];
  readonly isLeftTransposed: boolean;
  readonly isRightTransposed: boolean;
}

/** Large tiles, named sizes, a product with few rows, one with a long sum. */
const sizes = { large: [4096, 4096, 4096], named: ["M", "K", "N"], few: [4, 1024, 1024], long: [64, 65536, 64] } as const;

const formats = [
  { format: "f32", dtype: "f32" }, { format: "tf32", dtype: "f32", precision: "tf32" }, { format: "bf16", dtype: "f32", precision: "bf16" },
  { format: "of_f16", dtype: "f16" }, { format: "of_bf16", dtype: "bf16" },
] as const;

/** Which operands are transposed: neither, the right one, the left one, both. */
const layouts = { nn: [false, false], nt: [false, true], tn: [true, false], tt: [true, true] } as const;

const products: readonly Product[] = [
  ...formats.flatMap(({ format, ...types }) => [
    // Of 16 bits the factors differ from those that are rounded to them in their loads alone.
    ...(types.dtype === "f32" ? (["nn", "nt", "tn", "tt"] as const) : (["nt"] as const)).map((layout) => product(`${format}_large_${layout}`, types, "large", layout)),
    ...(["named", "few", "long"] as const).flatMap((size) => (["nn", "nt"] as const).map((layout) => product(`${format}_${size}_${layout}`, types, size, layout))),
  ]),
  ...(["f64", "i32"] as const).map((dtype) => product(`of_${dtype}_named`, { dtype }, "named", "nt")),
];

function product(name: string, types: Pick<Product, "dtype" | "precision">, size: keyof typeof sizes, layout: keyof typeof layouts): Product {
  const [isLeftTransposed, isRightTransposed] = layouts[layout];
  return { name, ...types, sizes: sizes[size], isLeftTransposed, isRightTransposed };
}

function textOf({ name, dtype, sizes: [m, k, n], isLeftTransposed, isRightTransposed }: Product): string {
  const [left, right] = [isLeftTransposed ? [k, m] : [m, k], isRightTransposed ? [n, k] : [k, n]];
  return `func @${name}(%x: ${dtype}[${left.join()}], %w: ${dtype}[${right.join()}]) {
  %0: ${dtype}[${m},${n}] = dot_general %x, %w {"leftBatch":[],"leftReduced":[${isLeftTransposed ? 0 : 1}],"rightBatch":[],"rightReduced":[${isRightTransposed ? 1 : 0}]}
  return %0
}`;
}

/** Of each architecture above at least (CUDA C++ Programming Guide, compute capabilities). */
const [registersOfMultiprocessor, sharedBytesOfMultiprocessor] = [65536, 164 * 1024];

/**
 * Bytes of registers that ptxas may keep in memory so that one block more fits a multiprocessor. That is its choice and
 * no fault of a kernel; so what it says is asked again with the registers of a whole multiprocessor for one block, and then
 * nothing may be spilled.
 */
const mostChosenSpill = 64;

function withAllRegisters(text: string): string {
  return text.replace(/__launch_bounds__\((\d+)\)/g, "__launch_bounds__($1, 1)");
}

describe("cuda: emitted kernels and NVIDIA's compilers", function () {
  this.timeout(buildTimeout);
  before(async function () {
    await needsEmulator(this);
    needsToolkit(this);
  });

  const findings: Finding[] = [];
  let checks = 0;

  async function check(module: Module, signatures: readonly Signature[], architecture: string): Promise<void> {
    const { tiers: [cuda] } = compileModule(module, signatures, { tiers: ["cuda"] });
    assert.ok(cuda);
    const outcome = await compileForArchitecture(cuda.source, { architecture });
    assert.ok(outcome.ok, outcome.log);
    const spilled = outcome.kernels.filter(({ spillBytes }) => spillBytes > 0);
    assert.deepEqual(spilled.filter(({ spillBytes }) => spillBytes > mostChosenSpill).map(({ name, spillBytes }) => `${name} spills ${spillBytes} bytes`), []);
    const unhurried = spilled.length === 0 ? outcome : await compileForArchitecture(withAllRegisters(cuda.source), { architecture });
    // Programs may share a kernel.
    const entries = new Set(cuda.programs.flatMap(({ kernels }) => kernels.map(({ entry }) => entry)));
    assert.deepEqual(outcome.kernels.map(({ name }) => name).toSorted(), [...entries].toSorted());
    // What a kernel does is in the summary; its name is that of a program, and a number.
    const summaries = new Map(cuda.programs.flatMap(({ kernels }) => kernels.map(({ entry, summary }) => [entry, `${entry}: ${summary}`] as const)));
    const found = lint(unhurried).map((finding): Finding => ({ ...finding, ...(finding.kernel === undefined ? {} : { kernel: summaries.get(finding.kernel) ?? finding.kernel }) }));
    findings.push(...found);
    checks++;
    assert.deepEqual(unallowed(found, await allowances()), []);
  }

  function checkSamples(cases: readonly SampleCase[], architecture: string): Promise<void> {
    const module: Module = { functions: cases.map(({ func }) => func) };
    return check(module, module.functions.map((func) => signatureOf(func)), architecture);
  }

  for (const architecture of architectures) {
    it(`all samples for ${architecture}`, () => checkSamples(sampleCases, architecture));

    for (const [file, precisions] of Object.entries(models)) {
      for (const precision of precisions) {
        it(`${file} in ${precision} for ${architecture}`, () => {
          const { module, signatures } = compileSource([join(import.meta.dirname, "../..", file)]);
          return check(module, signatures.map((signature) => ({ ...signature, precision })), architecture);
        });
      }
    }

    it(`products in each precision and of each dtype for ${architecture}`, () => {
      const module = parse(products.map(textOf).join("\n"));
      const signatures = module.functions.map((func, i): Signature => {
        const { precision } = products[i] ?? {};
        return { ...signatureOf(func), ...(precision === undefined ? {} : { precision }) };
      });
      return check(module, signatures, architecture);
    });
  }

  for (const architecture of architectures) {
    it(`two blocks with large tiles of f32 fit a multiprocessor of ${architecture}`, async () => {
      const large = products.filter(({ name }) => name.startsWith("f32_large"));
      const module = parse(large.map(textOf).join("\n"));
      const { tiers: [cuda] } = compileModule(module, module.functions.map((func) => signatureOf(func)), { tiers: ["cuda"] });
      const { kernels } = await compileForArchitecture(cuda?.source ?? "", { architecture });
      assert.equal(kernels.length, Object.keys(layouts).length);
      for (const { name, registers, spillBytes, sharedBytes } of kernels) {
        assert.equal(spillBytes, 0, name);
        assert.ok(2 * 256 * registers <= registersOfMultiprocessor, `${name}: ${registers} registers of 256 threads`);
        assert.ok(2 * sharedBytes <= sharedBytesOfMultiprocessor, `${name}: ${sharedBytes} bytes`);
      }
    });
  }

  for (const dtype of Object.keys(standIns) as readonly (keyof typeof standIns)[]) {
    it(`all samples that take ${dtype} for sm_80`, () => checkSamples(standInCases(dtype), "sm_80"));
  }

  it("need every exception that is made", async function () {
    // Where only some of the tests were asked for, nothing can be said.
    if (checks < architectures.length * (2 + Object.values(models).flat().length) + Object.keys(standIns).length) this.skip();
    assert.deepEqual(unneeded(findings, await allowances()), []);
  });
});
