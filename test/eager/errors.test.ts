/** What a user sees who does something wrong while ops run one by one: the op, the facts, what to do; nothing is lost. */

import assert from "node:assert/strict";
import { arange, constant, full, grad, jvp, mapTree, model, type Tensor, tensor, valueAndGrad, where, zeros } from "tsdlc";
import { ArgumentError, device, DeviceError, HandleError } from "tsdlc-runtime";
import { createCpuDevice } from "tsdlc-runtime/cpu";

type Vector = Tensor<["N"]>;
// Types would catch most of these in an editor; a JavaScript user has none.
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- to be wrong on purpose
const any = (value: unknown): any => value;

describe("what is wrong when ops run one by one", function () {
  this.timeout(60_000);
  before(() => device("cpu"));
  const x = tensor([[1, 2, 3], [4, 5, 6]]);

  const cases: readonly (readonly [string, () => unknown, RegExp])[] = [
    ["shapes that do not broadcast", () => x.add(any(tensor([1, 2]))), /^add: operands must have shapes that broadcast together \(\[2,3\] with \[2\]: 3 against 2\)$/],
    ["two dtypes", () => x.mul(any(tensor(new Int32Array(3)))), /^mul: operands must have the same dtype; tensors are never promoted \(left is f32\[2,3\], right is i32\[3\]\): convert the right one, with \.to\("f32"\)$/],
    ["a fraction beside integers", () => tensor(new Int32Array(3)).add(0.5), /^add: the number 0\.5 does not fit a tensor of i32/],
    ["inner sizes of a product", () => x.matmul(any(x)), /^matmul needs the last axis of its left operand to match the first axis of its right operand .*3 against 2/],
    ["an axis that is not there", () => x.sum(any(2)), /^sum: the axis must be from -2 to 1 \(it is 2, the tensor has rank 2\)$/],
    ["a shape of another size", () => x.reshape(any([4, 2])), /^reshape must keep the number of elements/],
    ["a function of the reals of integers", () => any(tensor(new Int32Array(3)) as unknown as Vector).exp(), /^exp needs a tensor of floats \(it is i32\[3\]\): convert it first, with \.to\("f32"\)$/],
    ["a size that is none", () => zeros([2, -1]), /^full: a size must be a whole number that is not negative, and size 1 of the shape is the number -1$/],
    ["a count that is none", () => arange(1.5), /^iota: a size must be a whole number that is not negative, and size 0 of the shape is the number 1\.5$/],
    ["nothing to fill with", () => full([2], any(undefined)), /^full: the value to fill with must be a number, and it is undefined$/],
    ["an operand that is no tensor", () => x.add(any("3")), /^add: operand 2 must be a tensor/],
    ["an operand that is an object", () => x.add(any({ a: 1 })), /^add: an object with a is no operand of a tensor op/],
    ["a loss with axes", () => grad(any((y: Vector) => y.mul(2)))(any(x)), /^grad: only a function that returns one float can be differentiated, and it returns f32\[2,3\]: reduce the result with \.mean\(\) or \.sum\(\)$/],
    ["a list without aux", () => valueAndGrad(any((y: Vector) => [y.sum(), y]))(any(x)), /^valueAndGrad: only a function.*it returns an array of 2: if the first is the loss .* valueAndGrad\(f, \{ aux: true \}\)$/],
    ["a gradient by integers", () => grad(any((y: Vector) => y.to("f32").sum()))(any(constant([1, 2], "i32"))), /^grad: argument 0 is i32\[2\], and a gradient can only be taken with respect to floats/],
    ["a gradient by a number", () => grad(any((y: number) => x.mul(y).sum()))(any(3)), /^grad: argument 0 is the number 3.*pass tensor\(3\)$/],
    ["a position that is not there", () => grad(any((y: Vector) => y.sum()), { wrt: 1 })(any(x)), /^grad: wrt names arguments by position, it is 1, and the function is called with 1 argument: /],
    ["an async function", () => grad(any(async (y: Vector) => y.sum()))(any(x)), /^grad: the function is async/],
    ["a tangent of another shape", () => jvp((y: Vector) => y.mul(2), any([x]), any([tensor([1])])), /^jvp: the tangent of primals\[0\] must be f32\[2,3\], and it is f32\[1\]$/],
    ["trees of two structures", () => mapTree((a, b) => a.add(any(b)), { w: x }, any({ v: x })), /^mapTree: the trees must have one structure, and the trees differ: /],
    ["a typed array for a model", () => model((y: Vector) => y.mul(2))(new Float32Array(3)), /argument 0 is a Float32Array, whose shape nobody knows when ops run one by one: pass tensor\(data, shape\)$/],
    ["a number for a tensor whose methods are called", () => model(function scale(o: { rate: Tensor<[]> }, y: Vector) { return o.rate.mul(y); })({ rate: 0.5 }, any(x)), /^scale: o[.]rate[.]mul is not a function: argument 0[.]rate is the number 0[.]5, and a number has no methods of tensors when ops run one by one: pass tensor\(0[.]5\)$/],
    ["a model that returns no tree", () => model(any(() => new Map()))(), /the result is a Map: a model returns a tree of tensors and numbers$/],
    ["a condition of numbers", () => where(any(x), x, 0), /^where: the condition of where must be a bool tensor \(it is f32\[2,3\]\): compare it, as in \.ne\(0\)$/],
  ];
  for (const [what, call, message] of cases) {
    it(what, () => {
      assert.throws(call, (error) => error instanceof ArgumentError && (message.test(error.message) || assert.fail(error.message)));
      assert.deepEqual([...x.dataSync()], [1, 2, 3, 4, 5, 6]);
    });
  }

  it("a tensor that was disposed of", () => {
    const gone = tensor([1]);
    gone.dispose();
    assert.throws(() => x.add(any(gone)), (error) => error instanceof HandleError && /^operand 2 of add, f32\[1\], was disposed of/.test(error.message));
  });

  it("a tensor that was donated says where", () => {
    const step = model(function advance(state: Vector) { return state.add(1); }, { donate: [0] });
    const state = tensor([1, 2]);
    const next = step(state);
    assert.deepEqual([...next.dataSync()], [2, 3]);
    assert.throws(() => step(state), (error) => error instanceof HandleError && /was donated to advance at .*errors\.test\.ts:\d+/.test(error.message));
  });

  it("two devices are named", () => {
    const other = createCpuDevice();
    const there = { name: "cpu:other" };
    const elsewhere = tensor([1, 2, 3]);
    const buffer = other.write(new Uint8Array(12), "f32");
    elsewhere[Symbol.for("tsdlc.tensor") as never] = { kind: "device", device: Object.assign(Object.create(other), there), buffer } as never;
    assert.throws(() => x.add(1).add(any(elsewhere)), (error) => error instanceof DeviceError && /^add: operand 2, f32\[3\], is on cpu:other and an operand before it on cpu: /.test(error.message));
  });
});
