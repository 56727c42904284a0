/** jit: what it gives, when it compiles again and what it says of it, and that it composes with gradients and itself. */

import assert from "node:assert/strict";
import { grad, jit, jvp, model, random, type Tensor, tensor, valueAndGrad, zeros } from "tsdlc";
import { ArgumentError, device, HandleError } from "tsdlc-runtime";

type Vector = Tensor<["N"]>;
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- calls with shapes that the types of these functions leave open
const any = (value: unknown): any => value;
const numbers = (value: unknown): readonly number[] => [...(value as Tensor).dataSync()];

describe("jit", function () {
  this.timeout(60_000);
  before(() => device("cpu"));
  const x = any(tensor([1, 2, 3]));
  const cubes = (y: Vector): Tensor<[]> => y.mul(y).mul(y).sum();

  it("gives what the function gives", () => {
    const fast = jit((p: { w: Vector; parts: readonly Vector[] }, y: Vector, how: string) => ({ sum: p.w.add(y), all: [how === "double" ? y.mul(2) : y, ...p.parts], how }));
    const result = fast({ w: x, parts: [any(tensor([5, 5]))] }, x, "double");
    assert.deepEqual([numbers(result.sum), result.all.map(numbers), result.how], [[2, 4, 6], [[2, 4, 6], [5, 5]], "double"]);
    assert.equal(fast.name, "the function");
  });

  it("compiles once for each kind of call, and says what changed", () => {
    const scale = jit(function scale(y: Vector, by: number) { return y.mul(by); });
    for (const by of [2, 2, 3]) assert.deepEqual(numbers(scale(x, by)), [1 * by, 2 * by, 3 * by]);
    assert.deepEqual(numbers(scale(any(tensor([1, 2])), 3)), [3, 6]);
    assert.deepEqual(jit.explain(scale), {
      hits: 1,
      compilations: 3,
      reasons: [
        "argument 1 was 2 and is 3: a number is part of the program; pass tensor(3) if it changes from call to call",
        'argument 0 was f32[3] and is f32[2]: each shape is compiled for itself; pass { dims: [["N"]] } to jit to compile once for every size of axis 0',
      ],
      sideEffects: [],
    });
    assert.throws(() => jit.explain(cubes), (error) => error instanceof ArgumentError);
  });

  it("tells -0 from 0, and structures from each other", () => {
    const ratio = jit((y: Vector, by: number, rest?: readonly number[]) => y.div(by).add(rest?.length ?? 0));
    assert.deepEqual([numbers(ratio(x, 0)), numbers(ratio(x, -0)), numbers(ratio(x, 1, [1])), numbers(ratio(x, 1, [])), numbers(ratio(x, 1))],
      [[Infinity, Infinity, Infinity], [-Infinity, -Infinity, -Infinity], [2, 3, 4], [1, 2, 3], [1, 2, 3]]);
  });

  it("composes with gradients, both ways and nested", () => {
    const slopes = [3, 12, 27];
    assert.deepEqual(numbers(grad(jit(cubes))(x)), slopes);
    assert.deepEqual(numbers(jit(grad(cubes))(x)), slopes);
    assert.deepEqual(numbers(jit(grad(jit((y: Vector) => grad(cubes)(y).sum())))(x)), [6, 12, 18]);
    assert.deepEqual(numbers(grad((y: Vector) => jit(grad(jit(cubes)))(y).sum())(x)), [6, 12, 18]);
    const [value, tangent] = jit((y: Vector, t: Vector) => jvp(cubes, [y], [t]))(x, any(tensor([1, 0, 0])));
    assert.deepEqual([numbers(value), numbers(tangent)], [[36], [3]]);
  });

  it("takes tensors from outside as they are, and follows them when it is differentiated", () => {
    const w = any(tensor([2, 2, 2]));
    const weighted = jit((y: Vector) => y.mul(w).sum());
    assert.deepEqual(numbers(weighted(x)), [12]);
    assert.deepEqual(numbers(grad((v: Vector) => weighted(x).mul(v.sum()))(w)), [12, 12, 12]);
  });

  it("draws the same random numbers as ops one by one", () => {
    const draw = (key: Tensor<[2], "u32">) => random.normal(key, [5]);
    const key = random.key(7);
    assert.deepEqual(numbers(jit(draw)(key)), numbers(draw(key)));
  });

  it("makes tensors that no argument has", () => assert.deepEqual(numbers(jit(() => zeros([2]).add(1))()), [1, 1]));

  it("keeps what a model donates", () => {
    const step = jit(model(function step(state: Vector, by: Vector) { return { state: state.add(by), twice: by.mul(2) }; }, { donate: [0] }));
    const state = any(tensor([1, 1, 1]));
    const { state: next } = any(step)(state, x);
    assert.deepEqual(numbers(next), [2, 3, 4]);
    assert.deepEqual(numbers(x), [1, 2, 3]);
    assert.throws(() => state.dataSync(), (error) => error instanceof HandleError && /was donated to step at .*jit\.test\.ts/.test(error.message));
  });

  describe("what is wrong", () => {
    it("reading a value while the function is traced", () => {
      const shift = jit(function shift(y: Vector) { return y.mul(y.sum().item()); });
      for (const _ of [1, 2]) assert.throws(() => shift(x), (error) => error instanceof HandleError && /^this f32\[\] has no elements while shift is traced: choose with where/.test(error.message));
      assert.deepEqual(numbers(x.add(1)), [2, 3, 4], "ops run again after a trace that failed");
      assert.deepEqual(jit.explain(shift), { hits: 0, compilations: 0, reasons: [], sideEffects: [] }, "what failed was not compiled");
    });

    it("a value of a trace that is over", () => {
      let kept: unknown;
      const leaky = jit(function leaky(y: Vector) { kept = y.mul(2); return y.add(1); });
      leaky(x);
      assert.throws(() => any(kept).add(1), (error) => error instanceof HandleError && /^operand 1 of add, f32\[3\], was made while leaky was traced and has no elements: return it from leaky$/.test(error.message));
      assert.throws(() => jit((y: Vector) => y.add(any(kept)))(x), (error) => error instanceof HandleError && /was made while leaky was traced/.test(error.message));
    });

    it("shapes that do not fit are those of the op", () => {
      assert.throws(() => jit((y: Vector) => y.add(any(tensor([1, 2]))))(x), (error) => error instanceof ArgumentError && /^add: operands must have shapes that broadcast together \(\[3\] with \[2\]: 3 against 2\)$/.test(error.message));
    });

    it("arguments and results that are no trees", () => {
      assert.throws(() => jit((y: unknown) => y)(any(() => 1)), (error) => error instanceof ArgumentError && /^the function: argument 0 is the function/.test(error.message));
      assert.throws(() => jit(() => any(new Map()))(), (error) => error instanceof ArgumentError && /the result is a Map: a model returns a tree/.test(error.message));
      assert.throws(() => jit(async (y: Vector) => y)(x), (error) => error instanceof ArgumentError && /leave out async/.test(error.message));
    });

    it("a gradient of a function with axes", () => {
      assert.throws(() => jit((y: Vector) => valueAndGrad(any((z: Vector) => z.mul(2)))(any(y)))(x), (error) => error instanceof ArgumentError && /only a function that returns one float/.test(error.message));
    });
  });
});
