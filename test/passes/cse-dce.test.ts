/** cse and dce: regions, effects, and what must stay apart. */

import { strict as assert } from "node:assert";
import { buildFunction } from "../../ir/builder.ts";
import { type Module, visitOps } from "../../ir/module.ts";
import { bufferType, tensorType } from "../../ir/type.ts";
import { type PassName, runPasses } from "../../passes/pipeline.ts";
import { type Body, functionOf } from "./differentiate.ts";

const scalar = tensorType("f32", []);

function moduleOf(body: Body, count = 1): Module {
  return { functions: [functionOf("main", new Array(count).fill(scalar), body)] };
}

function opsAfter(module: Module, passes: readonly PassName[]): readonly string[] {
  const names: string[] = [];
  for (const { body } of runPasses(module, passes).functions) visitOps(body, ({ name }) => names.push(name));
  return names;
}

/** A kernel that reads and writes its one buffer through two loads of the same element. */
const readWriteRead: Module = {
  functions: [
    buildFunction("main", [{ name: "x", type: bufferType("global", "f32", [4]) }], (b, [x]) => {
      assert(x !== undefined);
      const first = b.load(x, [b.index(0)]);
      b.store(x, b.add(first, 1), [b.index(0)]);
      b.store(x, b.load(x, [b.index(0)]), [b.index(1)]);
      return [];
    }),
  ],
};

describe("cse", () => {
  it("shares equal ops, whatever the order of commutative operands", () => {
    const module = moduleOf((b, x, y) => [b.sub(b.add(x, y), b.add(y, x)), b.sub(x, y), b.sub(y, x)], 2);
    assert.deepEqual(opsAfter(module, ["cse"]), ["add", "sub", "sub", "sub"]);
  });

  it("tells constants apart that JSON does not", () => {
    const values = [0, -0, NaN, Infinity, 0];
    const module = moduleOf((b) => values.map((value) => b.constantOf(scalar, value)));
    assert.deepEqual(opsAfter(module, ["cse"]).length, 4);
  });

  it("lets a region use what was computed before it, and not the other way round", () => {
    const module = moduleOf((b, x) => {
      const before = b.exp(x);
      const [chosen] = b.if(b.gt(x, before), {}, [b.region([], () => [b.mul(b.exp(x), b.sin(x))]), b.region([], () => [b.sin(x)])]);
      assert(chosen !== undefined);
      return [b.add(chosen, b.sin(x))];
    });
    assert.deepEqual(opsAfter(module, ["cse"]), ["exp", "gt", "if", "sin", "mul", "sin", "sin", "add"]);
  });

  it("keeps the body of a group to itself", () => {
    const module = moduleOf((b, x) => {
      const before = b.constantOf(scalar, 2);
      const [scaled] = b.group([x], {}, [b.region([scalar], ([inner]) => (inner === undefined ? [] : [b.mul(inner, b.constantOf(scalar, 2))]))]);
      assert(scaled !== undefined);
      return [b.add(scaled, before)];
    });
    assert.deepEqual(opsAfter(module, ["cse"]), ["constant", "group", "constant", "mul", "add"]);
  });

  it("leaves loads alone, because a store may stand between them", () => {
    assert.equal(opsAfter(readWriteRead, ["cse"]).filter((name) => name === "load").length, 2);
  });
});

describe("dce", () => {
  it("drops chains of unused ops, in regions too", () => {
    const module = moduleOf((b, x) => {
      b.exp(b.sin(x));
      return b.if(b.gt(x, 0), {}, [
        b.region([], () => {
          b.cos(x);
          return [x];
        }),
        b.region([], () => [b.neg(x)]),
      ]);
    });
    assert.deepEqual(opsAfter(module, ["dce"]), ["constant", "gt", "if", "neg"]);
  });

  it("keeps stores and what they store", () => {
    const names = opsAfter(readWriteRead, ["dce"]);
    assert.deepEqual(names, opsAfter(readWriteRead, []));
  });

  it("drops a loop without effects and uses", () => {
    const module = moduleOf((b, x) => {
      const body = b.region([scalar], ([carry]) => (carry === undefined ? [] : [b.exp(carry)]));
      const condition = b.region([scalar], ([carry]) => (carry === undefined ? [] : [b.gt(carry, 0)]));
      b.while([x], {}, [condition, body]);
      return [x];
    });
    assert.deepEqual(opsAfter(module, ["dce"]), []);
  });

  it("drops functions that no entry reaches", () => {
    const module: Module = { functions: ["one", "two"].map((name) => functionOf(name, [scalar], (_b, x) => [x])) };
    assert.deepEqual(runPasses(module, ["dce"], { entries: ["two"] }).functions.map(({ name }) => name), ["two"]);
    assert.equal(runPasses(module, ["dce"]).functions.length, 2);
  });
});
