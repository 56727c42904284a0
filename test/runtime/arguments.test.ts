/** What a call accepts, and the exact message for everything it refuses. */

import assert from "node:assert/strict";
import { ArgumentError, HandleError } from "../../runtime/errors.ts";
import { tensor } from "../../runtime/tensor.ts";
import type { Callable } from "../../runtime/callable.ts";
import type { Device } from "../../runtime/device.ts";
import type { Program, Tree } from "../../runtime/program.ts";
import { addProgram, anyFunction, bind, objectTree, program, stepProgram, tensorTree } from "./machine.ts";

/** Only reads its arguments: what matters here happens before a run. */
function reading(name: string, parameters: Readonly<Record<string, Tree>>, parts: Partial<Program> = {}): Program {
  return program({
    name, parameters: Object.entries(parameters).map(([parameter, tree]) => ({ name: parameter, tree, donated: false })),
    result: { kind: "array", items: [] }, ...parts,
  });
}

const N = { name: "N", min: 1 };
const M = { name: "M", min: 1 };

const train = reading("train", {
  p: objectTree({ w1: tensorTree("f32", [784, 128]), layers: { kind: "array", items: [tensorTree("f32", [2]), tensorTree("f32", [2])] } }),
  x: tensorTree("f32", ["N", 784]),
  y: tensorTree("i32", ["N"]),
  rate: { kind: "number", dtype: "f64" },
}, { dims: [{ ...N, max: 64 }] });

describe("runtime: arguments", () => {
  let call: Callable;
  let device: Device;
  const zeros = (...shape: number[]) => tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
  const good = () => ({ p: { w1: zeros(784, 128), layers: [zeros(2), zeros(2)] }, x: zeros(32, 784), y: tensor(new Int32Array(32)) });

  before(async () => {
    const bound = await bind([train]);
    call = anyFunction(bound.functions, "train");
    device = bound.device;
  });

  it("accepts tensors, typed arrays and numbers", () => {
    const { p, x, y } = good();
    call(p, x, y, 0.1);
    call(p, new Float32Array(784 * 3), new Int32Array(3), 0.1);
    call(p, x, new Int32Array(32), new Float64Array(1));
    call({ ...p, w1: new Float32Array(784 * 128) }, x, new Int32Array(new SharedArrayBuffer(128)), tensor(0.1, [], "f64"));
    assert.equal(p.w1.device, device.name);
  });

  const refused: readonly [what: string, change: (args: ReturnType<typeof good>) => readonly unknown[], message: string][] = [
    ["a wrong literal dim", ({ p, x, y }) => [{ ...p, w1: zeros(784, 64) }, x, y, 1], "train: argument p.w1 must be f32[784,128], got f32[784,64]"],
    ["a wrong rank", ({ p, y }) => [p, zeros(784), y, 1], "train: argument x must be f32[N,784], got f32[784]"],
    ["a wrong dtype", ({ p, x }) => [p, x, zeros(32), 1], "train: argument y must be i32[N], got f32[32]"],
    ["a wrong typed array", ({ p, x }) => [p, x, new Float32Array(32), 1], "train: argument y must be i32[N], which a Int32Array can hold, got a Float32Array"],
    ["a wrong length", ({ p, x, y }) => [{ ...p, w1: new Float32Array(5) }, x, y, 1], "train: argument p.w1 must be f32[784,128], got a Float32Array of 5, not of 100352"],
    ["a length that no size gives", ({ p }) => [p, new Float32Array(785), new Int32Array(1), 1], "train: argument x must be f32[N,784], got a Float32Array of 785, for which N would be 1.0012755102040816"],
    ["a length against a known size", ({ p, x }) => [p, x, new Int32Array(31), 1], "train: argument y must be i32[N] (here i32[32]), got a Int32Array of 31, not of 32"],
    ["sizes that conflict", ({ p, x }) => [p, x, tensor(new Int32Array(16)), 1], "train: N is 32 in x but 16 in y (x is f32[N,784], y is i32[N])"],
    ["too few arguments", ({ p, x }) => [p, x], "train takes 4 arguments (p, x, y, rate), got 2"],
    ["a missing field", ({ p, x, y }) => [{ layers: p.layers }, x, y, 1], "train: argument p.w1 is missing: p must have the fields w1, layers"],
    ["an extra field", ({ p, x, y }) => [{ ...p, w9: p.w1 }, x, y, 1], "train: argument p has a field w9 that train does not know: it must have the fields w1, layers"],
    ["no object", ({ x, y }) => [null, x, y, 1], "train: argument p must be an object with the fields w1, layers, got null"],
    ["no array", ({ p, x, y }) => [{ ...p, layers: p.w1 }, x, y, 1], "train: argument p.layers must be an array of 2, got a Tensor"],
    ["a short array", ({ p, x, y }) => [{ ...p, layers: [zeros(2)] }, x, y, 1], "train: argument p.layers must have 2 items, got 1"],
    ["a wrong item", ({ p, x, y }) => [{ ...p, layers: [zeros(2), zeros(3)] }, x, y, 1], "train: argument p.layers[1] must be f32[2], got f32[3]"],
    ["nested arrays", ({ p, y }) => [p, [[1, 2]], y, 1], "train: argument x must be f32[N,784], got an array of 1: wrap it in tensor(...)"],
    ["a number for a tensor", ({ p, y }) => [p, 3, y, 1], "train: argument x must be f32[N,784], got the number 3"],
    ["a string for a number", ({ p, x, y }) => [p, x, y, "1"], "train: argument rate must be a number, got the string 1"],
    ["nothing", ({ p, x, y }) => [p, x, y, undefined], "train: argument rate must be a number, got undefined"],
    ["a size over the range", ({ p }) => [p, new Float32Array(784 * 65), new Int32Array(65), 1], "train: N is 65: train was built for at most 64"],
    ["a size under the range", ({ p }) => [p, new Float32Array(0), new Int32Array(0), 1], "train: N is 0: it must be at least 1"],
  ];

  for (const [what, change, message] of refused) {
    it(`refuses ${what}, and leaves every handle valid`, async () => {
      const args = good();
      assert.throws(() => call(...change(args)), (error) => {
        assert.ok(error instanceof ArgumentError);
        assert.equal(error.message, message);
        return true;
      });
      call(args.p, args.x, args.y, 1);
      assert.equal((await args.x.data()).length, 32 * 784);
    });
  }

  it("refuses a disposed handle", () => {
    const { p, x, y } = good();
    x.dispose();
    assert.throws(() => call(p, x, y, 1), (error) => error instanceof HandleError && error.message === "train: argument x was disposed of and cannot be used again");
  });

  it("refuses a donated handle, naming the call that took it", async () => {
    const { functions } = await bind([stepProgram]);
    const step = anyFunction(functions, "step");
    const p = { w: zeros(2, 4) };
    step(p, new Float32Array(2));
    assert.throws(() => step(p, new Float32Array(2)), /^HandleError: step: argument p\.w was donated to step at .*arguments\.test\.ts:\d+:\d+ and cannot be used again: use what step returned, or pass a copy$/);
  });

  it("refuses one storage donated and passed twice, and leaves it valid", async () => {
    const twice = { ...stepProgram, parameters: stepProgram.parameters.map((parameter, i) => (i === 1 ? { ...parameter, tree: tensorTree("f32", ["N", 4]) } : parameter)) };
    const { functions } = await bind([{ ...twice, buffers: twice.buffers.map((buffer) => ({ ...buffer, shape: ["N", 4] })) }]);
    const w = zeros(2, 4);
    assert.throws(() => anyFunction(functions, "step")({ w }, w), {
      name: "ArgumentError", message: "step: arguments p.w and x are the same memory, and p.w is donated: step may overwrite it; pass a copy as one of them",
    });
    assert.deepEqual(await w.data(), new Float32Array(8));
  });

  it("refuses a tensor of another device", async () => {
    const other = await bind([addProgram]);
    const x = zeros(3);
    anyFunction(other.functions, "add")(x, x);
    const { functions } = await bind([addProgram]);
    assert.throws(() => anyFunction(functions, "add")(x, zeros(3)), /^ArgumentError: add: argument x is on cpu, but add runs on cpu: read it with data\(\) and make a new tensor$/);
  });

  it("checks guards, with both sides", async () => {
    const { functions } = await bind([reading("split", { x: tensorTree("f32", ["N"]) }, {
      dims: [N], guards: [{ left: ["mod", "N", 2], relation: "==", right: 0, reason: "x is split into 2 halves" }],
    })]);
    anyFunction(functions, "split")(new Float32Array(4));
    assert.throws(() => anyFunction(functions, "split")(new Float32Array(5)), {
      name: "ArgumentError", message: "split: with N = 5, mod(N,2) == 0 does not hold: 1 against 0; x is split into 2 halves",
    });
  });

  describe("sizes from typed arrays", () => {
    const twoDims = reading("both", { x: tensorTree("f32", ["N", "M"]), y: tensorTree("f32", [["+", ["*", 2, "M"], 1]]) }, { dims: [N, M] });

    it("solves one after another, also through a formula", async () => {
      const { functions } = await bind([twoDims]);
      const both = anyFunction(functions, "both");
      both(new Float32Array(12), new Float32Array(7));
      both(zeros(4, 3), new Float32Array(7));
      both(new Float32Array(12), zeros(7));
      assert.throws(() => both(new Float32Array(12), new Float32Array(8)), {
        message: "both: argument y must be f32[2*M+1], got a Float32Array of 8, for which M would be 3.5",
      });
      assert.throws(() => both(zeros(4, 3), zeros(9)), { message: "both: argument y must be f32[2*M+1] (here f32[7]), got f32[9]" });
    });

    it("says when a length does not tell", async () => {
      const { functions } = await bind([reading("grid", { x: tensorTree("f32", ["N", "M"]) }, { dims: [N, M] }), reading("square", { x: tensorTree("f32", ["N", "N"]) }, { dims: [N] })]);
      assert.throws(() => anyFunction(functions, "grid")(new Float32Array(12)), {
        message: "grid: N and M cannot be told from the 12 elements of argument x, which is f32[N,M]: pass tensor(data, shape) there",
      });
      anyFunction(functions, "square")(new Float32Array(49));
      assert.throws(() => anyFunction(functions, "square")(new Float32Array(50)), /N would be 7\.07/);
      assert.throws(() => anyFunction(functions, "square")(zeros(2, 3)), { message: "square: N is 2 and 3 in x, which must be f32[N,N]" });
    });
  });

  it("numbers must fit an integer leaf", async () => {
    const { functions } = await bind([reading("whole", { n: tensorTree("i32", []) })]);
    anyFunction(functions, "whole")(-3);
    assert.throws(() => anyFunction(functions, "whole")(1.5), { message: "whole: argument n must be i32[]: 1.5 is not a whole number" });
    assert.throws(() => anyFunction(functions, "whole")(2 ** 31), { message: "whole: argument n must be i32[]: 2147483648 is not between -2147483648 and 2147483647" });
  });
});
