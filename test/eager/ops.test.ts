/**
 * Every sample of the op table run as eager execution runs it: one op at a time with its own kernels, at several sizes by
 * the same kernels, against `evaluate`; and its gradient over a tape against the one of a whole program.
 */

import { device } from "tsdlc-runtime";
import { checkCase, sampleCases } from "../compile/sample-cases.ts";
import { toHost, toTensor } from "./host-tensors.ts";
import { checkGradient, differentiableCases } from "./op-gradients.ts";
import { gradientOfOp, runOp } from "./run-op.ts";

describe("ops one by one", function () {
  this.timeout(240_000);
  before(() => device("cpu"));

  for (const op of new Set(sampleCases.map((entry) => entry.op))) {
    it(op, async () => {
      for (const entry of sampleCases.filter((candidate) => candidate.op === op)) {
        await checkCase(entry, async (_name, inputs) => Promise.all(runOp(entry.func, inputs.map(toTensor)).map(toHost)), { ulps: entry.sample.ulp ?? 2, absolute: 0 });
      }
    });
  }
});

describe("gradients of ops one by one", function () {
  this.timeout(240_000);
  before(() => device("cpu"));

  for (const op of new Set(differentiableCases.map((entry) => entry.op))) {
    it(op, async () => {
      for (const entry of differentiableCases.filter((candidate) => candidate.op === op)) await checkGradient(entry, gradientOfOp, 4e-6);
    });
  }
});
