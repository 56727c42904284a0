/** Going over a tensor: op by op, under jit and with gradients. */

import assert from "node:assert/strict";
import { grad, jit, stack, type Tensor, tensor } from "tsdlc";
import { ArgumentError, device } from "tsdlc-runtime";

const numbers = (value: unknown): readonly number[] => Array.from((value as Tensor).dataSync(), Number);

describe("the rows of a tensor", () => {
  before(() => device("cpu"));
  const x = tensor([[1, 2], [3, 4], [5, 6]]) as Tensor<[3, 2]>;
  const folded = (rows: Tensor<[3, 2]>): Tensor<[2]> => {
    let total = rows.sum(0).mul(0);
    for (const row of rows) total = total.mul(10).add(row);
    return total;
  };

  it("are what for of, spread and patterns give", () => {
    const [first, ...others] = x;
    assert.deepEqual([numbers(first), ...others.map(numbers)], [[1, 2], [3, 4], [5, 6]]);
    assert.deepEqual(numbers(stack([...x])), [1, 2, 3, 4, 5, 6]);
    assert.deepEqual([...(tensor([7, 8]) as Tensor<[2]>)].map((one) => one.item()), [7, 8]);
    assert.deepEqual(numbers(folded(x)), [135, 246]);
  });

  it("are followed by jit and by gradients", () => {
    assert.deepEqual(numbers(jit(folded)(x)), [135, 246]);
    assert.deepEqual(numbers(grad((rows: Tensor<[3, 2]>) => folded(rows).sum())(x)), [100, 100, 10, 10, 1, 1]);
  });

  it("are none of a tensor without axes", () => {
    assert.throws(() => [...(tensor(3) as unknown as Tensor<[1]>)], (error) => error instanceof ArgumentError && /a tensor without axes, f32\[\], has no items/.test(error.message));
  });
});
