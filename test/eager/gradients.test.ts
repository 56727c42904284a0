/** Gradients of functions that run op by op: what is a constant, trees, orders, rules of one's own. */

import assert from "node:assert/strict";
import { customGrad, grad, jit, jvp, stopGradient, type Tensor, tensor, valueAndGrad, where } from "tsdlc";
import { ArgumentError, device } from "tsdlc-runtime";

type Vector = Tensor<["N"]>;
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- calls with shapes that the types of these functions leave open
const any = (value: unknown): any => value;
const numbers = (value: unknown): readonly number[] => [...(value as Tensor).dataSync()];

describe("gradients of ops one by one", function () {
  this.timeout(60_000);
  before(() => device("cpu"));
  const x = any(tensor([1, -2, 3]));

  it("follow host code: loops, branches on values, closures", () => {
    const power = (y: Vector): Tensor<[]> => {
      let product: Vector = y;
      for (let i = 0; i < 2 && product.sum().item() > 0; i++) product = product.mul(y);
      return product.sum();
    };
    // 1 - 2 + 3 is above 0, and so is 1 + 4 + 9: both turns are taken.
    assert.deepEqual(numbers(grad(power)(x)), [3, 12, 27]);
    // 1 - 2 - 3 is not.
    assert.deepEqual(numbers(grad(power)(any(tensor([1, -2, -3])))), [1, 1, 1]);
  });

  it("go through trees, instances of classes and fields that are assigned", () => {
    class Layer {
      w: Vector;
      calls = tensor(0);
      constructor(w: Vector) { this.w = w; }
      apply(y: Vector): Vector { this.calls = this.calls.add(1) as Tensor<[]>; return this.w.mul(y); }
    }
    const layer = new Layer(any(tensor([1, 1, 1])));
    const [value, g] = valueAndGrad((p: { layers: readonly Layer[]; name: string }) => p.layers[0]!.apply(x).sum())({ layers: [layer], name: "net" });
    assert.deepEqual([numbers(value), numbers(g.layers[0]?.w), g.name, g.layers[0] instanceof Layer], [[2], [1, -2, 3], "net", true]);
    assert.deepEqual(numbers(layer.calls), [1], "the field that was assigned is the caller's");
  });

  it("treat what is captured as a constant, also when it is the argument itself", () => {
    assert.deepEqual(numbers(grad((y: Vector) => y.mul(x).sum())(x)), [1, -2, 3]);
    assert.deepEqual(numbers(grad((y: Vector) => y.mul(stopGradient(any(y))).sum())(x)), [1, -2, 3]);
  });

  it("are taken by several arguments, with results that go along", () => {
    const [[loss, twice], [a, b]] = valueAndGrad((p: Vector, q: Vector, _r: string) => [p.mul(q).sum() as Tensor<[]>, p.mul(2)] as const, { wrt: [1, 0], aux: true })(x, any(tensor([4, 5, 6])), "r");
    assert.deepEqual([numbers(loss), numbers(twice), numbers(a), numbers(b)], [[12], [2, -4, 6], [1, -2, 3], [4, 5, 6]]);
  });

  it("are zero where nothing depends on an argument", () => assert.deepEqual(numbers(grad((_y: Vector) => x.sum())(any(tensor([1, 2])))), [0, 0]));

  it("of a tensor that is used in many places add up", () => assert.deepEqual(numbers(grad((y: Vector) => y.mul(y).add(y).sub(y.mul(3)).sum())(x)), [0, -6, 4]));

  it("have any order", () => {
    const quartic = (y: Vector): Tensor<[]> => y.mul(y).mul(y).mul(y).sum();
    const third = (y: Vector) => grad((z: Vector) => grad((v: Vector) => grad(quartic)(v).sum() as Tensor<[]>)(z).sum() as Tensor<[]>)(y);
    assert.deepEqual(numbers(third(x)), [24, -48, 72]);
    const [, along] = jvp((y: Vector) => grad(quartic)(y), [x], [any(tensor([1, 0, 1]))]);
    assert.deepEqual(numbers(along), [12, 0, 108]);
    const back = grad((y: Vector) => any(jvp(quartic, [y], [any(tensor([1, 1, 1]))])[1]));
    assert.deepEqual(numbers(back(x)), [12, 48, 108]);
  });

  it("leave nothing behind when the function throws", () => {
    assert.throws(() => grad((y: Vector) => { y.mul(2); throw new RangeError("mine"); })(x), RangeError);
    assert.deepEqual(numbers(grad((y: Vector) => y.sum())(x)), [1, 1, 1]);
  });

  describe("by a rule of one's own", () => {
    const seen: unknown[] = [];
    const clipped = customGrad(function clipped(y: Vector, limit: number) { return y.mul(10); }, (g, result, y, limit) => {
      seen.push([numbers(result), numbers(y), limit]);
      return [any(g).clamp(-limit, limit)];
    });

    it("with host code in it", () => {
      assert.deepEqual(numbers(grad((y: Vector) => clipped(y, 2).mul(x).sum())(x)), [1, -2, 2]);
      assert.deepEqual(seen, [[[10, -20, 30], [1, -2, 3], 2]]);
      assert.deepEqual(numbers(clipped(x, 2)), [10, -20, 30]);
    });

    it("which has a gradient too, and composes", () => {
      const cube = customGrad((y: Vector) => y.mul(y).mul(y), (g, _result, y) => [any(g.mul(y).mul(y).mul(3))]);
      assert.deepEqual(numbers(grad((y: Vector) => grad((z: Vector) => cube(z).sum())(y).sum() as Tensor<[]>)(x)), [6, -12, 18]);
      assert.deepEqual(numbers(jit(grad((y: Vector) => cube(y).sum()))(x)), [3, 12, 27]);
    });

    it("of what is passed through", () => {
      const reversed = customGrad((y: Vector) => y, (g) => [any(g.neg())]);
      assert.deepEqual(numbers(grad((y: Vector) => reversed(y).add(y.mul(3)).sum())(x)), [2, 2, 2]);
    });

    it("that is wrong is an error", () => {
      const wrong = (rule: () => unknown) => () => grad((y: Vector) => customGrad(function halved(z: Vector) { return z.mul(0.5); }, any(rule))(y).sum())(x);
      assert.throws(wrong(() => [tensor([1])]), (error) => error instanceof ArgumentError && error.message === "customGrad: the rule of halved gives f32[1] as the gradient of argument 0, which is f32[3]");
      assert.throws(wrong(() => tensor([1])), (error) => error instanceof ArgumentError && /the rule of halved must return a list with a gradient for each of its 1 arguments, and it returns f32\[1\]$/.test(error.message));
      assert.throws(() => jvp((y: Vector) => clipped(y, 1), [x], [x]), (error) => error instanceof ArgumentError && /^jvp: clipped has a rule for reverse mode alone/.test(error.message));
    });
  });

  it("of where pick the side that was taken", () => assert.deepEqual(numbers(grad((y: Vector) => where(y.gt(0), y.mul(2), y.mul(5)).sum())(x)), [2, 5, 2]));
});
