/**
 * The passes, the order in which they run, and the runner.
 *
 * A pass is a pure function from module to module. The runner verifies, and tells an observer what changed and how
 * long it took. When a pass fails, the error carries the module just before it as text that starts with
 * `// run: <pass>`: saved under test/golden, that text is the test of the repair.
 */

import { IrError } from "../ir/builder.ts";
import type { Module, Span } from "../ir/module.ts";
import { print } from "../ir/print.ts";
import { verify, VerifyError } from "../ir/verify.ts";
import { cse } from "./cse.ts";
import { dce } from "./dce.ts";
import { expandLoops } from "./expand-loops.ts";
import { expandMath } from "./expand-math.ts";
import { fitDTypes } from "./fit-dtypes.ts";
import { flattenBranches } from "./flatten-branches.ts";
import { fuse } from "./fuse.ts";
import { hoist } from "./hoist.ts";
import { lower } from "./lower.ts";
import { mergeLaunches } from "./merge-launches.ts";
import { placeBarriers } from "./place-barriers.ts";
import type { Pass, PassContext } from "./pass.ts";
import { setPrecision } from "./set-precision.ts";
import { schedule } from "./schedule/schedule.ts";
import { simplify } from "./simplify.ts";
import { transform } from "./transform.ts";
import { widenAccesses } from "./widen-accesses.ts";

export const passes = {
  transform, simplify, cse, dce, "flatten-branches": flattenBranches, "set-precision": setPrecision, "fit-dtypes": fitDTypes, "expand-loops": expandLoops, fuse, lower, schedule,
  "expand-math": expandMath, hoist, "widen-accesses": widenAccesses, "place-barriers": placeBarriers, "merge-launches": mergeLaunches,
} satisfies Readonly<Record<string, Pass>>;

export type PassName = keyof typeof passes;

/**
 * From what a frontend makes to what can be fused: the same for every target. The second simplify finds what only cse
 * made equal, as the operands of max(x, x).
 */
export const tensorPipeline: readonly PassName[] = ["transform", "simplify", "cse", "flatten-branches", "simplify", "dce", "set-precision"];

/** From there to kernels without an order. Of the limits it reads `dtypes`, `buffers` and `scratchBytes` alone. */
export const fusionPipeline: readonly PassName[] = ["fit-dtypes", "expand-loops", "fuse", "lower"];

/** From there to kernels of one tier. */
export const tierPipeline: readonly PassName[] = ["schedule", "expand-math", "simplify", "hoist", "cse", "widen-accesses", "dce", "place-barriers", "merge-launches"];

export const kernelPipeline: readonly PassName[] = [...fusionPipeline, ...tierPipeline];

/** What must run before what, and why. Holds for each pipeline above (pipeline.test.ts). */
export const orderings: readonly Ordering[] = [
  { before: "transform", after: "simplify", because: "simplify drops stop_gradient, which transform must have seen" },
  { before: "transform", after: "cse", because: "the forward part of each derivative repeats ops of its caller, and cse leaves one of them" },
  { before: "transform", after: "flatten-branches", because: "a side that is not taken has no gradient, where a choice has 0 times one" },
  { before: "flatten-branches", after: "dce", because: "of what was chosen and is not used, the branch is no longer a reason to stay" },
  { before: "simplify", after: "cse", because: "ops that differ in spelling alone become equal only after simplify" },
  { before: "transform", after: "fit-dtypes", because: "a callee and its derivative must agree with their callers on dtypes" },
  { before: "fit-dtypes", after: "expand-loops", because: "what a tier has no dtype for is refused with the ops of the source" },
  { before: "fit-dtypes", after: "fuse", because: "only f64 of rank 0 becomes f32, and in a kernel every element is a scalar" },
  { before: "expand-loops", after: "fuse", because: "the counter of a for becomes ops that need kernels" },
  { before: "transform", after: "fuse", because: "calls and derivatives are no kernels" },
  { before: "fuse", after: "lower", because: "lower makes one kernel of each group" },
  { before: "lower", after: "schedule", because: "schedule orders what lower says" },
  { before: "schedule", after: "hoist", because: "only then are there loops to leave" },
  { before: "schedule", after: "expand-math", because: "schedule weighs a tanh as one op, and makes one vector op of it" },
  { before: "expand-math", after: "hoist", because: "the constants of formulas leave the loops, where cse finds those that formulas share" },
  { before: "transform", after: "set-precision", because: "the contractions of a derivative are its entry's only once they are ops of it" },
  { before: "set-precision", after: "lower", because: "a kernel says what it may round" },
  { before: "place-barriers", after: "merge-launches", because: "kernels without barriers are those that may be merged" },
  { before: "dce", after: "place-barriers", because: "what nobody loads is not worth waiting for" },
  { before: "hoist", after: "place-barriers", because: "a load that leaves a phase must leave it before barriers say what came first" },
  { before: "hoist", after: "widen-accesses", because: "a load that leaves a loop is of one element, and no longer stands between others" },
  { before: "cse", after: "widen-accesses", because: "accesses are neighbours where their indices are sums of the same values" },
  { before: "widen-accesses", after: "dce", because: "the index of an access that became part of another has no use left" },
  { before: "cse", after: "dce", because: "cse and simplify leave what they replaced without uses, and dce takes it away" },
];

export interface Ordering {
  readonly before: PassName;
  readonly after: PassName;
  readonly because: string;
}

/** Is told of each pass that ran; brings its own clock, because passes are pure and have none. */
export interface Observer {
  /** Milliseconds from any fixed moment. */
  now(): number;
  passed(report: PassReport): void;
}

export interface PassReport {
  readonly pass: PassName;
  readonly before: Module;
  readonly after: Module;
  /** Of the pass alone, without verification. */
  readonly milliseconds: number;
}

/** A pass threw, or returned what the verifier rejects. The cause says what; `spans` where in the source, if it did. */
export class PassError extends Error {
  readonly pass: string;
  /** The module just before the pass, as a golden test of that pass alone. */
  readonly ir: string;
  readonly spans: readonly Span[];
  constructor(pass: string, before: Module, cause: unknown) {
    super(`pass ${pass}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = "PassError";
    this.pass = pass;
    this.ir = `// run: ${pass}\n${print(before, { spans: true })}`;
    this.spans = cause instanceof IrError || cause instanceof VerifyError ? cause.spans : [];
  }
}

/**
 * Runs these passes in order. Throws a PassError.
 *
 * What comes out is verified, and with an observer so is what each pass returns. Without one, a fault makes the passes
 * run once more with each verified: they are pure, so it happens again, and then the pass that made it is known.
 * Verifying each time would take a third of a build.
 */
export function runPasses(module: Module, names: readonly PassName[], context: PassContext = {}, observer?: Observer): Module {
  if (observer !== undefined) return runVerified(module, names, context, observer);
  try {
    const result = names.reduce((current, pass) => passes[pass].run(current, context), module);
    verify(result);
    return result;
  } catch {
    return runVerified(module, names, context, undefined);
  }
}

function runVerified(module: Module, names: readonly PassName[], context: PassContext, observer: Observer | undefined): Module {
  let current = module;
  for (const pass of names) {
    const before = current;
    const started = observer?.now() ?? 0;
    try {
      const after = passes[pass].run(before, context);
      const milliseconds = (observer?.now() ?? 0) - started;
      verify(after);
      current = after;
      observer?.passed({ pass, before, after, milliseconds });
    } catch (error) {
      throw new PassError(pass, before, error);
    }
  }
  return current;
}

export function isPassName(name: string): name is PassName {
  return Object.hasOwn(passes, name);
}
