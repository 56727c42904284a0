/**
 * Contractions by matrix instructions, on CUDA: each format of factors, every layout of the operands, sizes on both sides
 * of a tile's edges, named and literal, and tiles of 128.
 *
 * Whole numbers show that every factor meets its partner: their products and sums are exact in each format. Numbers
 * that a format has no place for show what is rounded, and that an f32 which nobody allows to be rounded is not.
 */

import assert from "node:assert/strict";
import { hostArray, type HostArray, roundTo } from "../../ir/host.ts";
import type { Func } from "../../ir/module.ts";
import { parse } from "../../ir/parse.ts";
import type { Signature } from "../../ir/signature.ts";
import type { DType } from "../../ir/type.ts";
import { createRandom, present } from "../run-sample.ts";
import { testMachines } from "../test-machine.ts";
import { compileForTest, type RunCompiled } from "./run-compiled.ts";
import { signatureOf } from "./signature-of.ts";

interface Format {
  readonly name: string;
  readonly dtype: DType;
  readonly precision?: NonNullable<Signature["precision"]>;
  /** Bits of a factor's significand, with the one that is not stored. */
  readonly digits: number;
  /** Where a number in the middle of two goes, by the instruction that rounds (PTX ISA, cvt: .rn and .rna). */
  readonly ties: "even" | "away";
}

const formats: readonly Format[] = [
  { name: "f32", dtype: "f32", digits: 24, ties: "even" },
  { name: "tf32", dtype: "f32", precision: "tf32", digits: 11, ties: "away" },
  { name: "bf16", dtype: "f32", precision: "bf16", digits: 8, ties: "even" },
  { name: "of_f16", dtype: "f16", digits: 11, ties: "even" },
  { name: "of_bf16", dtype: "bf16", digits: 8, ties: "even" },
];

interface Layout {
  readonly name: string;
  readonly isLeftTransposed: boolean;
  readonly isRightTransposed: boolean;
  readonly sizes: Sizes | "named";
}

interface Sizes {
  readonly m: number;
  readonly k: number;
  readonly n: number;
}

const transposed: readonly (readonly [name: string, isLeft: boolean, isRight: boolean])[] = [["nn", false, false], ["nt", false, true], ["tn", true, false], ["tt", true, true]];

const layouts: readonly Layout[] = transposed.flatMap(([name, isLeftTransposed, isRightTransposed]) => [
  ...[{ m: 64, k: 32, n: 64 }, { m: 70, k: 41, n: 33 }, { m: 16, k: 160, n: 17 }].map((sizes): Layout =>
    ({ name: `${name}_${sizes.m}_${sizes.k}_${sizes.n}`, isLeftTransposed, isRightTransposed, sizes })),
  { name: `${name}_named`, isLeftTransposed, isRightTransposed, sizes: "named" },
]);

/**
 * Tiles of 128 down and across, and enough steps along the sum that each stage has been replaced: of 8 terms for f32, 16
 * for tf32, 32 for the others. Edges that part the patches of four that a thread takes, and edges that do not.
 */
const large: readonly Layout[] = [
  { name: "large", isLeftTransposed: false, isRightTransposed: false, sizes: { m: 1024, k: 130, n: 1030 } },
  ...transposed.map(([name, isLeftTransposed, isRightTransposed]): Layout =>
    ({ name: `large_${name}`, isLeftTransposed, isRightTransposed, sizes: { m: 1028, k: 104, n: 1024 } })),
];

const namedSizes: readonly Sizes[] = [{ m: 1, k: 1, n: 1 }, { m: 65, k: 35, n: 17 }, { m: 128, k: 64, n: 192 }, { m: 3, k: 0, n: 70 }, { m: 0, k: 5, n: 5 }];

function textOf(format: Format, { name, isLeftTransposed, isRightTransposed, sizes }: Layout): string {
  const { m, k, n } = sizes === "named" ? { m: "M", k: "K", n: "N" } : sizes;
  const { dtype } = format;
  const [left, right] = [isLeftTransposed ? [k, m] : [m, k], isRightTransposed ? [n, k] : [k, n]];
  return `func @${format.name}_${name}(%x: ${dtype}[${left.join()}], %w: ${dtype}[${right.join()}]) {
  %0: ${dtype}[${m},${n}] = dot_general %x, %w {"leftBatch":[],"leftReduced":[${isLeftTransposed ? 0 : 1}],"rightBatch":[],"rightReduced":[${isRightTransposed ? 1 : 0}]}
  return %0
}`;
}

function signatureWith({ precision }: Format, func: Func): Signature {
  return { ...signatureOf(func), ...(precision === undefined ? {} : { precision }) };
}

for (const machine of await testMachines()) {
  if (!machine.limits.hasMatrixUnits) continue;

  describe(`matrix instructions on ${machine.title}`, function () {
    this.timeout(240_000);
    const functions = new Map(formats.map((format) => [format, parse([...layouts, ...large].map((layout) => textOf(format, layout)).join("\n\n")).functions]));
    let run: RunCompiled;
    before(async function () {
      if (!(await machine.open())) return this.skip();
      const signatures = [...functions].flatMap(([format, all]) => all.map((func) => signatureWith(format, func)));
      run = await compileForTest({ functions: [...functions.values()].flat() }, machine, signatures);
    });
    after(() => machine.close());

    for (const format of formats) {
      it(`${format.name}: every factor meets its partner`, async () => {
        for (const layout of layouts) {
          for (const sizes of layout.sizes === "named" ? namedSizes : [layout.sizes]) await checkWholeNumbers(run, format, layout, sizes);
        }
      });
      for (const layout of large) it(`${format.name}: ${layout.name}`, () => checkWholeNumbers(run, format, layout, sizesOf(layout)));
      it(`${format.name}: factors keep ${format.digits} digits`, () => checkRounding(run, format));
    }
  });
}

function sizesOf({ name, sizes }: Layout): Sizes {
  assert.ok(sizes !== "named", name);
  return sizes;
}

async function checkWholeNumbers(run: RunCompiled, format: Format, layout: Layout, sizes: Sizes): Promise<void> {
  const random = createRandom(sizes.m + 3 * sizes.k + 7 * sizes.n);
  // Sums of up to 160 products of at most 4 are below 2^11, which each dtype of a result holds but bf16.
  const largest = format.dtype === "bf16" ? 1 : 2;
  const fill = (count: number): Float32Array => Float32Array.from({ length: count }, () => Math.floor(random() * (2 * largest + 1)) - largest);
  const [x, w] = [fill(sizes.m * sizes.k), fill(sizes.k * sizes.n)];
  const got = await callOf(run, format, layout, sizes, x, w);
  const wanted = productOf(layout, sizes, x, w);
  const at = wanted.findIndex((value, i) => value !== got.data[i]);
  assert.equal(at, -1, `${format.name}_${layout.name} at ${JSON.stringify(sizes)}: element ${at} is ${got.data[at]}, expected ${wanted[at]}`);
}

/** Factors between powers of two, so that each is rounded; the sums are short, so that rounding of factors is what one sees. */
async function checkRounding(run: RunCompiled, format: Format): Promise<void> {
  const layout = present(layouts[0]);
  const sizes: Sizes = { m: 64, k: 32, n: 64 };
  const random = createRandom(5);
  const fill = (count: number): Float32Array => Float32Array.from({ length: count }, () => roundTo(format.dtype, 1 + random()));
  const [x, w] = [fill(sizes.m * sizes.k), fill(sizes.k * sizes.n)];
  const got = await callOf(run, format, layout, sizes, x, w);
  const exact = productOf(layout, sizes, x, w);
  const rounded = productOf(layout, sizes, x.map((value) => toDigits(value, format)), w.map((value) => toDigits(value, format)));
  // Of 32 products and sums in f32, in any order, and of a result that is narrower.
  const allowed = 33 * 2 ** -24 + (format.dtype === "f32" ? 0 : 2 ** -format.digits);
  let difference = 0;
  rounded.forEach((value, i) => {
    assert.ok(Math.abs((got.data[i] ?? NaN) - value) <= allowed * value, `element ${i} is ${got.data[i]}, expected ${value} of factors with ${format.digits} digits`);
    difference = Math.max(difference, Math.abs(value - (exact[i] ?? NaN)) / value);
  });
  // Else the check above would take factors that were not rounded for rounded ones.
  if (format.precision !== undefined) assert.ok(difference > 4 * allowed, `rounding changes sums by ${difference} at most`);
}

/** A number of at least 1 to the nearest with so many digits. */
function toDigits(value: number, { digits, ties }: Format): number {
  const unit = 2 ** (Math.floor(Math.log2(value)) + 1 - digits);
  const [low, rest] = [Math.floor(value / unit), (value / unit) % 1];
  return unit * (rest > 0.5 || (rest === 0.5 && (ties === "away" || low % 2 === 1)) ? low + 1 : low);
}

async function callOf(run: RunCompiled, format: Format, { name, isLeftTransposed, isRightTransposed }: Layout, { m, k, n }: Sizes, x: Float32Array, w: Float32Array): Promise<HostArray> {
  const [left, right] = [isLeftTransposed ? [k, m] : [m, k], isRightTransposed ? [n, k] : [k, n]];
  const got = present((await run(`${format.name}_${name}`, [hostArray(format.dtype, left, x), hostArray(format.dtype, right, w)]))[0]);
  assert.deepEqual(got.shape, [m, n]);
  return got;
}

function productOf({ isLeftTransposed, isRightTransposed }: Layout, { m, k, n }: Sizes, x: Float32Array, w: Float32Array): Float64Array {
  const result = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let p = 0; p < k; p++) {
      const factor = x[isLeftTransposed ? p * m + i : i * k + p] ?? NaN;
      for (let j = 0; j < n; j++) result[i * n + j] = (result[i * n + j] ?? NaN) + factor * (w[isRightTransposed ? j * k + p : p * n + j] ?? NaN);
    }
  }
  return result;
}
