/** Gradients of functions that run op by op: what is a constant, trees, orders, rules of one's own. */

import assert from "node:assert/strict";
import { customGrad, grad, jit, jvp, stopGradient, type Tensor, tensor, valueAndGrad, vmap, where } from "tsdlc";
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

    describe("in a jitted function", () => {
      const scaled = (factor: number): ((y: Vector) => Vector) => customGrad(function scaled(y: Vector): Vector { return y.mul(2); }, (g) => [any(g.mul(factor))]);

      it("is followed by a gradient from outside, whether it was compiled before or not", () => {
        for (const isCompiledBefore of [false, true]) {
          const rule = scaled(7);
          const fast = jit(function fast(y: Vector): Vector { return rule(y.mul(3)); });
          if (isCompiledBefore) assert.deepEqual(numbers(fast(x)), [6, -12, 18]);
          const gradient = grad((y: Vector) => fast(y).mul(y).sum() as Tensor<[]>);
          // d sum(r(3y) y) = r(3y) + 7 * 3 * y
          for (let turn = 0; turn < 2; turn++) assert.deepEqual(numbers(gradient(x)), [27, -54, 81]);
          assert.deepEqual(numbers(fast(x)), [6, -12, 18]);
          const { compilations, reasons } = jit.explain(fast);
          assert.deepEqual([compilations, reasons], [1, ["a gradient that was taken outside of fast ran it op by op, so as to follow the rule of scaled, a function of customGrad: take the gradient inside, as in jit(grad(f)), for one that is compiled"]]);
        }
      });

      it("and what no gradient goes through is compiled as ever", () => {
        const rule = scaled(7);
        const fast = jit((y: Vector) => rule(y));
        assert.deepEqual(numbers(grad((y: Vector) => fast(x).mul(y).sum() as Tensor<[]>)(x)), [2, -4, 6]);
        assert.deepEqual(jit.explain(fast).reasons, []);
      });

      it("with a gradient inside too, to the second order", () => {
        const square = customGrad(function square(y: Vector): Vector { return y.mul(y); }, (g, _result, y) => [any(g.mul(y).mul(y))]);
        const slope = jit(grad((y: Vector) => square(y).sum() as Tensor<[]>));
        assert.deepEqual(numbers(slope(x)), [1, 4, 9]);
        assert.deepEqual(numbers(grad((y: Vector) => any(slope(y)).sum())(x)), [2, -4, 6]);
        assert.deepEqual(numbers(jit(grad((y: Vector) => any(jit(scaled(5))(y)).sum()))(x)), [5, 5, 5]);
      });

      it("that sees it captured, in a branch of named sizes, and donates nothing", () => {
        const rule = scaled(7);
        const named = jit(function named(y: Vector): Vector { return rule(y); }, { dims: [["N"]], donate: [0] });
        for (const values of [[1, 2], [1, 2, 3]]) {
          const y = any(tensor(values));
          assert.deepEqual(numbers(grad((z: Vector) => named(z).sum() as Tensor<[]>)(y)), values.map(() => 7));
          assert.deepEqual(numbers(y), values);
        }
        assert.equal(jit.explain(named).compilations, 1);
        const captured = grad((z: Vector) => jit((y: Vector) => y.mul(rule(z)))(x).sum() as Tensor<[]>)(x);
        assert.deepEqual(numbers(captured), [7, -14, 21]);
      });

      it("is refused with its name where no gradient can follow it", () => {
        const rule = scaled(7);
        const rows = any(tensor([[1, 2], [3, 4]]));
        const isRefusal = (error: unknown): boolean => error instanceof ArgumentError && /^customGrad: scaled runs in vmap of the function, and a gradient that is taken outside of it does not see the rule: take it inside/.test(error.message);
        assert.throws(() => grad((y: Vector) => any(jit(vmap(rule as never)))(y).sum())(rows), isRefusal);
        assert.throws(() => jit(grad((y: Vector) => any(vmap(rule as never))(y).sum()))(rows), isRefusal);
        assert.deepEqual(numbers(any(jit(vmap(grad((y: Vector) => rule(y).sum() as Tensor<[]>) as never)))(rows)), [7, 7, 7, 7]);
        assert.throws(() => jvp(jit((y: Vector) => rule(y)), [x], [x]), (error) => error instanceof ArgumentError && /^jvp: scaled has a rule for reverse mode alone/.test(error.message));
      });
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
