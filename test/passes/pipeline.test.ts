/** The runner: order, verification, reports, and reproducers. */

import { strict as assert } from "node:assert";
import { parse } from "../../ir/parse.ts";
import { print } from "../../ir/print.ts";
import { tensorType } from "../../ir/type.ts";
import { kernelPipeline, orderings, PassError, type PassReport, passes, runPasses, tensorPipeline } from "../../passes/pipeline.ts";
import { functionOf } from "./differentiate.ts";

const scalar = tensorType("f32", []);

describe("the pipeline", () => {
  it("keeps its ordering constraints", () => {
    for (const { before, after, because } of orderings) {
      // Passes that both pipelines run are ordered within each; others along the whole road.
      const both = [tensorPipeline, kernelPipeline].filter((names) => names.includes(before) && names.includes(after));
      for (const names of both.length > 0 ? both : [[...tensorPipeline, ...kernelPipeline]]) {
        assert(names.includes(before) && names.includes(after));
        assert(names.indexOf(before) < names.indexOf(after), `${before} must run before ${after}: ${because}`);
      }
    }
  });

  it("names each pass as the table does", () => {
    for (const [name, pass] of Object.entries(passes)) assert.equal(pass.name, name);
  });

  it("reports what each pass made of the module, by the observer's clock", () => {
    const module = { functions: [functionOf("main", [scalar], (b, x) => [b.mul(x, 1)])] };
    const reports: PassReport[] = [];
    let milliseconds = 0;
    const result = runPasses(module, ["simplify", "dce"], {}, { now: () => (milliseconds += 5), passed: (report) => reports.push(report) });
    assert.deepEqual(reports.map(({ pass, milliseconds: spent }) => [pass, spent]), [["simplify", 5], ["dce", 5]]);
    assert.equal(reports[0]?.before, module);
    assert.equal(reports[0]?.after, reports[1]?.before);
    assert.equal(reports[1]?.after, result);
  });

  it("fails with the module before the pass, as text that parses and fails the same way", () => {
    const whole = tensorType("i32", []);
    const f = functionOf("f", [scalar, whole], (_b, x) => [x]);
    const main = functionOf("main", [scalar, whole], (b, ...values) => b.valueAndGrad(values, { callee: "f", wrt: [1] }), [f]);
    const failure = (text: string): PassError => {
      try {
        runPasses(parse(text), ["simplify", "transform"]);
      } catch (error) {
        assert(error instanceof PassError);
        return error;
      }
      throw assert.fail("nothing was thrown");
    };
    const error = failure(print({ functions: [f, main] }));
    assert.equal(error.pass, "transform");
    const [head, ...body] = error.ir.split("\n");
    assert.equal(head, "// run: transform");
    assert.equal(failure(body.join("\n")).message, error.message);
  });
});
