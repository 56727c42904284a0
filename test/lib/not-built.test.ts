/** What a user sees who runs a model as plain JavaScript, which this version cannot do. */

import assert from "node:assert/strict";
import { arange, grad, mapTree, model, NotBuiltError, type Tensor, zeros } from "tsdlc";

const advice = /ran outside of a built program.* run "npx tsdlc build", and import the package/s;

describe("outside of a built program", () => {
  function scale(x: Tensor<["N"]>): Tensor<["N"]> { return x.mul(2); }
  const calls: readonly [string, () => unknown, string][] = [
    ["a model", () => model(scale)(new Float32Array(2)), "the model scale ran"],
    ["an op without operands", () => zeros([2]), "the op full ran"],
    ["another", () => arange(3).to("f32"), "the op iota ran"],
    ["grad", () => grad((x: Tensor<[]>) => x.square())(zeros([])), "grad ran"],
    ["mapTree", () => mapTree((x) => x, [] as Tensor[]), "mapTree ran"],
  ];
  for (const [name, call, beginning] of calls) {
    it(`${name} says what to do`, () => {
      assert.throws(call, (error) => error instanceof NotBuiltError && error.message.startsWith(beginning) && advice.test(error.message));
    });
  }

  it("marking a model throws nothing", () => assert.equal(typeof model(scale, { donate: [0] }), "function"));
});
