/**
 * Dims: the normal form does not change what an expression means, equal polynomials are one dim, and text reads back.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import {
  addDims, ceilDivDims, type Dim, evaluateDim, floorDivDims, maxDims, minDims, modDims, mulDims, namedDim, namesOfDim, parseDim, printDim, sameDim,
  subDims, substituteDim,
} from "../../ir/dim.ts";

/** An expression as it was written, evaluated without the normal form, beside the dim that the library makes of it. */
interface Case {
  readonly dim: Dim;
  meaning(sizes: Readonly<Record<string, number>>): number;
}

type Operation = readonly [build: (left: Dim, right: Dim) => Dim, compute: (left: number, right: number) => number];

const floorDiv = (left: number, right: number): number => Math.floor(left / right);
const operations: readonly Operation[] = [
  [addDims, (left, right) => left + right],
  [subDims, (left, right) => left - right],
  [mulDims, (left, right) => left * right],
  [minDims, Math.min],
  [maxDims, Math.max],
];

/** Divisors are positive, as sizes are. */
const divisions: readonly Operation[] = [
  [floorDivDims, floorDiv],
  [modDims, (left, right) => left - right * floorDiv(left, right)],
];

const positive: fc.Arbitrary<Case> = fc.oneof(
  fc.integer({ min: 1, max: 8 }).map((value): Case => ({ dim: value, meaning: () => value })),
  fc.constantFrom("N", "M", "batch_size").map((name): Case => ({ dim: namedDim(name), meaning: (sizes) => sizes[name] ?? NaN })),
);

function combined([build, compute]: Operation, left: Case, right: Case): Case {
  return { dim: build(left.dim, right.dim), meaning: (sizes) => compute(left.meaning(sizes), right.meaning(sizes)) };
}

const expressions = fc.letrec<{ expression: Case }>((tie) => ({
  expression: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    positive,
    fc.tuple(fc.constantFrom(...operations), tie("expression"), tie("expression")).map(([operation, left, right]) => combined(operation, left, right)),
    fc.tuple(fc.constantFrom(...divisions), tie("expression"), positive).map(([operation, left, right]) => combined(operation, left, right)),
  ),
})).expression;

const sizes = fc.record({ N: fc.integer({ min: 1, max: 9 }), M: fc.integer({ min: 1, max: 9 }), batch_size: fc.integer({ min: 1, max: 9 }) });

/** A size has no sign of zero. */
function assertSameSize(actual: number, expected: number): void {
  assert.equal(actual + 0, expected + 0);
}

describe("dims", () => {
  it("mean what was written, after any operations", () => {
    fc.assert(fc.property(expressions, sizes, ({ dim, meaning }, at) => assertSameSize(evaluateDim(dim, at), meaning(at))));
  });

  it("read back from their text as the same dim", () => {
    fc.assert(fc.property(expressions, ({ dim }) => assert.deepEqual(parseDim(printDim(dim)), dim)));
  });

  it("are equal when they are equal as polynomials", () => {
    fc.assert(
      fc.property(expressions, expressions, expressions, ({ dim: a }, { dim: b }, { dim: c }) => {
        assert.equal(printDim(addDims(a, b)), printDim(addDims(b, a)));
        assert.equal(printDim(mulDims(a, b)), printDim(mulDims(b, a)));
        assert.equal(printDim(mulDims(a, addDims(b, c))), printDim(addDims(mulDims(a, b), mulDims(a, c))));
        assert.equal(subDims(a, a), 0);
        assert.equal(printDim(subDims(addDims(a, b), b)), printDim(a));
      }),
      { numRuns: 50 },
    );
  });

  it("keep their meaning when names are replaced", () => {
    fc.assert(
      fc.property(expressions, positive, sizes, ({ dim, meaning }, replacement, at) => {
        const replaced = substituteDim(dim, { N: replacement.dim });
        assertSameSize(evaluateDim(replaced, at), meaning({ ...at, N: replacement.meaning(at) }));
      }),
    );
  });

  it("have one spelling", () => {
    const [n, m] = [namedDim("N"), namedDim("M")];
    assert.equal(printDim(addDims(3, mulDims(n, 2), n, m, -1)), "M+N*3+2");
    assert.equal(printDim(mulDims(addDims(n, 1), subDims(n, 1))), "N*N-1");
    assert.equal(printDim(floorDivDims(mulDims(6, n, m), mulDims(2, n))), "M*3");
    assert.equal(printDim(ceilDivDims(n, 16)), "floordiv(N+15,16)");
    assert.equal(modDims(mulDims(4, n), 4), 0);
    assert.equal(printDim(parseDim("min( N , 4) * -(2 - M)")), printDim(mulDims(minDims(n, 4), subDims(m, 2))));
    assert.ok(!sameDim(n, m));
    assert.deepEqual(namesOfDim(parseDim("mod(N,M)+B")), ["B", "N", "M"]);
  });

  it("say what is wrong", () => {
    assert.throws(() => namedDim("2N"), /"2N" is not a name for a dim/);
    assert.throws(() => parseDim("N+"), /dim "N\+" ends too early/);
    assert.throws(() => parseDim("N M"), /dim "N M": unexpected "M"/);
    assert.throws(() => parseDim("gcd(N,2)"), /there is no function "gcd"/);
    assert.throws(() => parseDim("min(N 2)"), /expected ",", found "2"/);
    assert.throws(() => evaluateDim(namedDim("N"), { M: 3 }), /the size of dim N is not known here/);
  });
});
