/**
 * vmap by the transform pass. Every record of the op table, with every choice of mapped operands, gives exactly what a
 * loop over the examples gives; so do gradients inside and around it, and random programs.
 */

import { strict as assert } from "node:assert";
import fc from "fast-check";
import { type Dim, namedDim } from "../../ir/dim.ts";
import { type HostArray, hostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import type { Func, Module } from "../../ir/module.ts";
import type { OpRecord, Sample } from "../../ir/op.ts";
import { opTable, textName } from "../../ir/ops/table.ts";
import { parse } from "../../ir/parse.ts";
import { print } from "../../ir/print.ts";
import { printType, type TensorType, tensorType } from "../../ir/type.ts";
import { verify } from "../../ir/verify.ts";
import { PassError, runPasses } from "../../passes/pipeline.ts";
import { functionOfRecipe, recipe, sizes as recipeSizes } from "../compile/random-module.ts";
import { inputsOf, present, type Sizes, sizesOfSample, functionOf as functionOfSample } from "../run-sample.ts";
import { assertSame, checkMeaning, mappedModule, transformed, waysToMap, withExamples } from "./batch-examples.ts";
import { assertClose, functionOf } from "./differentiate.ts";

const records: readonly (readonly [name: string, record: OpRecord])[] = Object.entries(opTable).map(([key, record]) => [textName(key), record]);
/** Control flow at tensor level, which passes/batch-control.ts knows. */
const controlFlow: ReadonlySet<string> = new Set(["if", "for", "while"]);
const examples = namedDim("Examples");

describe("batch rules", () => {
  for (const [name, record] of records) {
    if (record.evaluate === undefined) {
      it(`${name}: none, since it is ${controlFlow.has(name) ? "control flow" : "no op of one example"}`, () => assert.equal(record.batch, undefined));
      continue;
    }
    if (record.operands.length === 0) {
      it(`${name}: unmapped, since it has no operands`, () => assert.equal(record.batch, "unmapped"));
      continue;
    }
    describe(name, () => {
      it("is a loop over examples", () => eachWay(record, (callee, axes, outAxis, inputs, sizes) => {
        checkMeaning(mappedModule(callee, axes, callee.body.yields.map(() => outAxis), examples), inputs, sizes);
      }, name));
      if (record.derivative === "none" || !(record.samples ?? []).some(({ operands }) => operands.some(({ dtype }) => dtype === "f64"))) return;
      it("has gradients inside of it and through it", () => {
        let count = 0;
        eachWay(record, (callee, axes, outAxis, inputs, sizes) => { count += checkGradients(callee, axes, outAxis, inputs, sizes); }, name);
        assert.ok(count > 0, "nothing was differentiated");
      });
    });
  }
});

type Check = (callee: Func, axes: readonly number[], outAxis: number, inputs: readonly HostArray[], sizes: Sizes) => void;

function eachWay(record: OpRecord, check: Check, name: string): void {
  (record.samples ?? []).forEach((sample, position) => {
    const callee = functionOfSample(name, sample);
    for (const axes of waysToMap(sample.operands.map(({ shape }) => shape.length))) {
      const mapped: Sample = { ...sample, operands: sample.operands.map((type, i) => withExamples(type, axes[i] ?? -1, examples)) };
      const outAxis = (position + axes.length) % 2 === 0 ? 0 : resultRank(callee);
      for (const [i, sizes] of sizesOfSample(sample).entries()) {
        const all = { ...sizes, Examples: [3, 1, 0][i % 3] ?? 3 };
        try {
          check(callee, axes, outAxis, inputsOf(mapped, all, position + 1), all);
        } catch (error) {
          const where = `sample ${position}, ${sample.operands.map(printType).join(", ")} ${JSON.stringify(sample.attrs ?? {})}, mapped along [${axes.join(",")}] to ${outAxis}, at ${JSON.stringify(all)}`;
          throw new Error(`${where}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
        }
      }
    }
  });
}

function resultRank({ body }: Func): number {
  return (body.yields[0]?.type as TensorType).shape.length;
}

/** grad inside of vmap is a loop of gradients, exactly; grad around it the same, summed where an operand is shared. */
function checkGradients(op: Func, axes: readonly number[], outAxis: number, inputs: readonly HostArray[], sizes: Sizes): number {
  const types = op.body.parameters.map(({ type }) => type as TensorType);
  const wrt = types.flatMap(({ dtype }, i) => (dtype === "f64" ? [i] : []));
  const [result] = op.body.yields;
  if (wrt.length === 0 || result?.type.kind !== "tensor" || result.type.dtype !== "f64") return 0;
  const all = (shape: readonly Dim[]): readonly number[] => shape.map((_, axis) => axis);
  const { shape } = result.type;
  const loss = functionOf("loss", types, (b, ...values) => {
    const [y] = b.call(values, { callee: op.name });
    return [b.reduceSum(b.sin(present(y)), { axes: all(shape) })];
  }, [op]);
  const gradient = functionOf("gradient", types, (b, ...values) => b.valueAndGrad(values, { callee: "loss", wrt }).slice(1), [loss]);
  // What derivatives have no meaning of their own in the interpreter: the gradient of one example by the transform pass.
  const plain = runPasses({ functions: [op, loss, gradient] }, ["transform"], { entries: ["gradient"] });
  const ofExample = present(plain.functions.find(({ name }) => name === "gradient"));
  const each = interpret(mappedModule(ofExample, axes, wrt.map(() => 0), examples), "main", inputs, sizes);
  const inside = mappedModule(gradient, axes, wrt.map(() => 0), examples, [op, loss]);
  const actual = interpret(runPasses(inside, ["transform"], { entries: ["main"] }), "main", inputs, sizes);
  each.forEach((array, i) => assertSame(actual[i], array));

  const mappedTypes = types.map((type, i) => withExamples(type, axes[i] ?? -1, examples));
  const total = functionOf("total", mappedTypes, (b, ...values) => {
    const [y] = b.vmap(values, { callee: op.name, axes, outAxes: [outAxis] });
    return [b.reduceSum(b.sin(present(y)), { axes: all([...shape, examples]) })];
  }, [op]);
  const main = functionOf("main", mappedTypes, (b, ...values) => b.valueAndGrad(values, { callee: "total", wrt }).slice(1), [total]);
  const around = interpret(runPasses({ functions: [op, total, main] }, transformed, { entries: ["main"] }), "main", inputs, sizes);
  wrt.forEach((position, i) => assertClose(around[i], gathered(present(each[i]), axes[position] ?? -1), 1e-9));
  return 1;
}

/** Per-example gradients, along axis 0, as the gradient of what holds all examples along an axis, or of what they share. */
function gathered(gradients: HostArray, axis: number): HostArray {
  const [size = 0, ...shape] = gradients.shape;
  const example = shape.map((_, i) => i + 1);
  const type = tensorType(gradients.dtype, gradients.shape);
  const func = functionOf("main", [type], (b, x) => [
    axis < 0 ? b.reduceSum(present(x), { axes: [0] }) : b.transpose(present(x), { permutation: example.toSpliced(axis, 0, 0) }),
  ]);
  return size === 0 && axis < 0 ? hostArray(gradients.dtype, shape) : present(interpret({ functions: [func] }, "main", [gradients])[0]);
}

describe("vmap of random programs", function () {
  this.timeout(120_000);
  it("is a loop over examples, before and after simplify, cse and dce", () => {
    fc.assert(fc.property(recipe, fc.nat(6), fc.constantFrom(0, 1, 2, 3), (drawn, mask, at) => {
      const callee = functionOfRecipe("f", drawn, true);
      const sizes = { ...present(recipeSizes[at]), Examples: 2 };
      const axes = callee.body.parameters.map(({ type }, i) => (((mask + 1) >> i) % 2 === 1 ? (type as TensorType).shape.length : -1));
      const module = mappedModule(callee, axes.some((axis) => axis >= 0) ? axes : axes.with(0, 0), callee.body.yields.map(() => 0), examples);
      const main = present(module.functions.at(-1));
      const inputs = inputsOf({ operands: main.body.parameters.map(({ type }) => type as TensorType) }, sizes, 1 + mask);
      checkMeaning(module, inputs, sizes);
      checkMeaning(module, inputs, sizes, transformed);
    }), { numRuns: 60, seed: 5 });
  });
});

describe("vmap", () => {
  const module = (text: string): Module => parse(text);
  const f64 = (shape: readonly number[], values: readonly number[]): HostArray => hostArray("f64", shape, values);

  it("prints, parses and nests: a matrix product of two maps over vectors", () => {
    const program = module(`
      func @dot(%a: f64[3], %b: f64[3]) {
        %0: f64[] = dot_general %a, %b {"leftBatch":[],"leftReduced":[0],"rightBatch":[],"rightReduced":[0]}
        return %0
      }
      func @row(%a: f64[3], %b: f64[3,M]) {
        %0: f64[M] = vmap %a, %b {"axes":[-1,1],"callee":"dot","outAxes":[0]}
        return %0
      }
      func @main(%x0: f64[N,3], %x1: f64[3,M]) {
        %0: f64[N,M] = vmap %x0, %x1 {"axes":[0,-1],"callee":"row","outAxes":[0]}
        return %0
      }`);
    assert.equal(print(parse(print(program))), print(program));
    const inputs = [f64([2, 3], [1, 2, 3, 4, 5, 6]), f64([3, 2], [1, 0, 0, 1, 1, 1])];
    assert.deepEqual([...present(checkMeaning(program, inputs)[0]).data], [4, 5, 10, 11]);
    // No copies: the whole is one contraction and what orders its axes.
    const ops = present(runPasses(program, transformed, { entries: ["main"] }).functions[0]).body.ops;
    assert.deepEqual(ops.map(({ name }) => name), ["dot_general"]);
  });

  it("keeps what does not depend on the example as it is, once", () => {
    const program = module(`
      func @f(%x: f64[3], %w: f64[3]) {
        %0: f64[3] = exp %w
        %1: f64[3] = mul %x, %0
        return %1, %0, %0
      }
      func @main(%x0: f64[4,3], %x1: f64[3]) {
        %0: f64[4,3], %1: f64[3], %2: f64[3,4] = vmap %x0, %x1 {"axes":[0,-1],"callee":"f","outAxes":[0,-1,1]}
        return %0, %1, %2
      }`);
    checkMeaning(program, [f64([4, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]), f64([3], [0, 1, 2])]);
    const exponentials = present(runPasses(program, ["transform"]).functions[0]).body.ops.filter(({ name }) => name === "exp");
    assert.deepEqual(exponentials.map(({ results: [result] }) => printType(present(result).type)), ["f64[3]"]);
  });

  it("has a meaning without examples", () => {
    const program = module(`
      func @f(%x: f64[3], %w: f64[3]) {
        %0: f64[3] = mul %x, %w
        %1: f64[3] = exp %w
        return %0, %1
      }
      func @main(%x0: f64[0,3], %x1: f64[3]) {
        %0: f64[0,3], %1: f64[3] = vmap %x0, %x1 {"axes":[0,-1],"callee":"f","outAxes":[0,-1]}
        return %0, %1
      }`);
    checkMeaning(program, [f64([0, 3], []), f64([3], [0, 1, 2])]);
  });

  const refused: readonly (readonly [what: string, attrs: string, message: RegExp, result?: string])[] = [
    ["a result that is not the same for all", '{"axes":[0,-1],"callee":"f","outAxes":[-1]}', /result 0 of @f, f64\[3\], depends on what is mapped/, "f64[3]"],
    ["sizes that do not agree", '{"axes":[0,0],"callee":"f","outAxes":[0]}', /axis 0 of operand 0 is 4; axis 0 of operand 1 is 3/],
    ["an axis that is not there", '{"axes":[2,-1],"callee":"f","outAxes":[0]}', /operand 0 is f64\[4,3\]; axis is 2/],
    ["nothing mapped", '{"axes":[-1,-1],"callee":"f","outAxes":[0]}', /an operand of a vmap must be mapped/],
    ["an axis of a result that is not there", '{"axes":[0,-1],"callee":"f","outAxes":[2]}', /result 0 of one example is f64\[3\], and axis is 2/],
    ["too few axes", '{"axes":[0],"callee":"f","outAxes":[0]}', /it has 1, for 2 operands/],
  ];
  for (const [what, attrs, message, result = "f64[4,3]"] of refused) {
    it(`refuses ${what}`, () => {
      const text = `
        func @f(%x: f64[3], %w: f64[3]) {
          %0: f64[3] = mul %x, %w
          return %0
        }
        func @main(%x0: f64[4,3], %x1: f64[3]) {
          %0: ${result} = vmap %x0, %x1 ${attrs}
          return %0
        }`;
      assert.throws(() => {
        const program = module(text);
        verify(program);
        try {
          runPasses(program, ["transform"]);
        } catch (error) {
          throw error instanceof PassError ? error.cause : error;
        }
      }, message);
    });
  }
});
