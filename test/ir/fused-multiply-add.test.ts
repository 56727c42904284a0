/** fma is rounded once: where a double in between would tip the result, and against exact integers. */

import { strict as assert } from "node:assert";
import { fusedMultiplyAddToFloat } from "../../ir/special-functions.ts";
import { createRandom } from "../run-sample.ts";

describe("fused multiply-add of f32", () => {
  it("is not rounded to a double on the way", () => {
    // 2^24 + 3 - 2^-46: a double cannot hold it, and 2^24 + 3 is half way between two floats.
    assert.equal(fusedMultiplyAddToFloat(1 + 2 ** -23, 1 - 2 ** -23, 2 ** 24 + 2), 2 ** 24 + 2);
    assert.equal(fusedMultiplyAddToFloat(-1 - 2 ** -23, 1 - 2 ** -23, -(2 ** 24) - 2), -(2 ** 24) - 2);
    assert.equal(fusedMultiplyAddToFloat(-1 - 2 ** -23, 1 - 2 ** -23, 2 ** 24 + 4), 2 ** 24 + 4);
  });

  it("keeps NaN, infinities and signs of zero", () => {
    assert.equal(fusedMultiplyAddToFloat(Infinity, 2, 1), Infinity);
    assert.ok(Number.isNaN(fusedMultiplyAddToFloat(Infinity, 0, 1)));
    assert.ok(Number.isNaN(fusedMultiplyAddToFloat(Infinity, 1, -Infinity)));
    assert.ok(Object.is(fusedMultiplyAddToFloat(0, -1, -0), -0));
    assert.equal(fusedMultiplyAddToFloat(3e38, 3e38, -1), Infinity);
  });

  it("is the nearest float to the exact sum", () => {
    const random = createRandom(3);
    const significand = (): number => Math.floor(random() * 2 ** 24);
    for (let i = 0; i < 20_000; i++) {
      const [a, b, c, exponent] = [significand(), significand(), significand(), Math.floor(random() * 60)];
      const exact = BigInt(a) * BigInt(b) + BigInt(c) * 2n ** BigInt(exponent);
      assert.equal(fusedMultiplyAddToFloat(a, b, c * 2 ** exponent), nearestFloat(exact), `${a} ${b} ${c} ${exponent}`);
    }
  });
});

/** Of a natural number: 24 bits, ties to even. */
function nearestFloat(exact: bigint): number {
  const dropped = BigInt(Math.max(0, exact.toString(2).length - 24));
  const unit = 1n << dropped;
  const [kept, rest] = [exact >> dropped, exact & (unit - 1n)];
  const isUp = rest * 2n > unit || (rest * 2n === unit && dropped > 0n && (kept & 1n) === 1n);
  return Number((kept + (isUp ? 1n : 0n)) << dropped);
}
