/**
 * Random programs with nested loops and branches: a recipe, a tree of small numbers that fast-check can draw and shrink, and
 * the function that it stands for, of x: [2], w: [2,2] and n: i32[].
 *
 * Statements assign to a few variables, as in a language that has them; what a branch assigns it yields, what a loop assigns
 * it carries, and everything else is captured. A trace goes with the variables: a number that says which branches were
 * taken, so that a test can tell a point where a small step takes another way.
 */

import fc from "fast-check";
import { type Builder } from "../../ir/builder.ts";
import { only } from "../../ir/expect.ts";
import type { Func, Region, Value } from "../../ir/module.ts";
import { type TensorType, tensorType } from "../../ir/type.ts";
import { tensorTypeOf } from "../../ir/type-of.ts";
import { functionOf } from "./differentiate.ts";

export type Statement =
  | { readonly kind: "assign"; readonly to: number; readonly op: number; readonly left: number; readonly right: number }
  | { readonly kind: "if"; readonly test: Test; readonly then: readonly Statement[]; readonly otherwise: readonly Statement[] }
  | { readonly kind: "for"; readonly bound: number; readonly step: number; readonly body: readonly Statement[] }
  | { readonly kind: "while"; readonly of: number; readonly body: readonly Statement[] };

/** On the sum of a variable, or on the innermost counter. */
export interface Test {
  readonly kind: "sum" | "counter";
  readonly of: number;
}

const variables = 3;
const variable = fc.nat(variables - 1);
const test: fc.Arbitrary<Test> = fc.record({ kind: fc.constantFrom("sum", "counter"), of: variable }, { noNullPrototype: true });

export const program: fc.Arbitrary<readonly Statement[]> = fc.letrec<{ block: readonly Statement[]; statement: Statement }>((tie) => ({
  block: fc.array(tie("statement"), { minLength: 1, maxLength: 4, depthIdentifier: "nesting" }),
  statement: fc.oneof(
    { depthSize: "small", maxDepth: 3, depthIdentifier: "nesting" },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("assign" as const), to: variable, op: fc.nat(9), left: variable, right: variable }, { noNullPrototype: true }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("if" as const), test, then: tie("block"), otherwise: tie("block") }, { noNullPrototype: true }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("for" as const), bound: fc.nat(3), step: fc.integer({ min: 1, max: 2 }), body: tie("block") }, { noNullPrototype: true }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("while" as const), of: variable, body: tie("block") }, { noNullPrototype: true }) },
  ),
})).block;

const count = tensorType("i32", []);

export type Float = "f32" | "f64";

export function parametersOf(dtype: Float): readonly [TensorType, TensorType, TensorType] {
  return [tensorType(dtype, [2]), tensorType(dtype, [2, 2]), count];
}

interface State {
  readonly values: Value[];
  trace: Value;
}

/** Returns a float of rank 0 and the trace. */
export function functionFor(statements: readonly Statement[], dtype: Float = "f64", name = "f"): Func {
  return functionOf(name, parametersOf(dtype), (b, x, w, n) => {
    const given = (value: Value | undefined): Value => only([value]);
    const state: State = { values: [given(x), b.sin(b.mul(given(x), 2)), b.constantOf(tensorType(dtype, [2]), [0.3, -0.2])], trace: b.constantOf(count, 1) };
    const writer = new Writer(b, given(w), given(n));
    writer.block(statements, state, given(n));
    const weights = [1, -0.5, 2].map((weight, i) => b.mul(sum(b, given(state.values[i])), weight));
    return [weights.reduce((left, right) => b.add(left, right)), state.trace];
  });
}

class Writer {
  readonly #b: Builder;
  readonly #w: Value;
  readonly #n: Value;

  constructor(b: Builder, w: Value, n: Value) {
    this.#b = b;
    this.#w = w;
    this.#n = n;
  }

  block(statements: readonly Statement[], state: State, counter: Value): void {
    for (const statement of statements) this.#statement(statement, state, counter);
  }

  #statement(statement: Statement, state: State, counter: Value): void {
    switch (statement.kind) {
      case "assign":
        state.values[statement.to] = this.#expression(statement.op, at(state, statement.left), at(state, statement.right), counter);
        return;
      case "if": return this.#if(statement, state, counter);
      case "for": return this.#for(statement, state);
      case "while": return this.#while(statement, state);
    }
  }

  /** Stays small, whatever the operands are. */
  #expression(op: number, left: Value, right: Value, counter: Value): Value {
    const b = this.#b;
    switch (op) {
      case 0: return b.mul(b.add(left, right), 0.7);
      case 1: return b.sin(b.mul(left, right));
      case 2: return b.tanh(b.sub(left, b.mul(right, 0.5)));
      case 3: return b.max(left, right);
      case 4: return b.select(b.gt(left, right), b.mul(left, 0.9), b.sin(right));
      case 5: return b.tanh(b.dotGeneral(this.#w, left, { leftBatch: [], rightBatch: [], leftReduced: [1], rightReduced: [0] }));
      case 6: return b.broadcast(b.mul(sum(b, left), 0.4), { shape: [2], axes: [] });
      case 7: return b.mul(left, b.broadcast(b.sin(b.cast(counter, { dtype: tensorTypeOf(left).dtype })), { shape: [2], axes: [] }));
      case 8: return b.stopGradient(right);
      default: return left;
    }
  }

  #if({ test, then, otherwise }: Extract<Statement, { kind: "if" }>, state: State, counter: Value): void {
    const b = this.#b;
    const condition = test.kind === "sum" ? b.gt(sum(b, at(state, test.of)), 0.1) : b.eq(b.rem(counter, 2), 0);
    const written = [...new Set([...assigned(then), ...assigned(otherwise)])];
    const branch = (statements: readonly Statement[], taken: number): Region =>
      b.region([], () => {
        const inner: State = { values: [...state.values], trace: this.#note(state.trace, taken) };
        this.block(statements, inner, counter);
        return [...written.map((variable) => at(inner, variable)), inner.trace];
      });
    this.#write(state, written, b.if(condition, {}, [branch(then, 1), branch(otherwise, 2)]));
  }

  #for({ bound, step, body }: Extract<Statement, { kind: "for" }>, state: State): void {
    const b = this.#b;
    const written = assigned(body);
    const carried = [...written.map((variable) => at(state, variable)), state.trace];
    const region = b.region([count, ...carried.map(({ type }) => type)], ([counter, ...values]) => {
      const inner = this.#inner(state, written, values);
      this.block(body, inner, only([counter]));
      return [...written.map((variable) => at(inner, variable)), inner.trace];
    });
    const stop = bound === 3 ? this.#n : b.constantOf(count, bound);
    this.#write(state, written, b.for(b.constantOf(count, 0), stop, b.constantOf(count, step), carried, { kind: "serial" }, [region]));
  }

  /** At most four turns, which its counter says. */
  #while({ of, body }: Extract<Statement, { kind: "while" }>, state: State): void {
    const b = this.#b;
    const written = assigned(body);
    const carried = [...written.map((variable) => at(state, variable)), state.trace, b.constantOf(count, 0)];
    const types = carried.map(({ type }) => type);
    const condition = b.region(types, (values) => {
      const inner = this.#inner(state, written, values);
      return [b.and(b.gt(sum(b, at(inner, of)), -0.3), b.lt(only([values.at(-1)]), 4))];
    });
    const region = b.region(types, (values) => {
      const inner = this.#inner(state, written, values);
      const turn = only([values.at(-1)]);
      inner.trace = this.#note(inner.trace, 3);
      this.block(body, inner, turn);
      return [...written.map((variable) => at(inner, variable)), inner.trace, b.add(turn, 1)];
    });
    this.#write(state, written, b.while(carried, {}, [condition, region]));
  }

  #inner(state: State, written: readonly number[], values: readonly Value[]): State {
    const inner: State = { values: [...state.values], trace: only([values[written.length]]) };
    this.#write(inner, written, values);
    return inner;
  }

  #write(state: State, written: readonly number[], values: readonly Value[]): void {
    written.forEach((variable, i) => (state.values[variable] = only([values[i]])));
    state.trace = only([values[written.length]]);
  }

  #note(trace: Value, taken: number): Value {
    return this.#b.add(this.#b.mul(trace, 5), taken);
  }
}

function assigned(statements: readonly Statement[]): readonly number[] {
  const found = statements.flatMap((statement): readonly number[] => {
    switch (statement.kind) {
      case "assign": return [statement.to];
      case "if": return [...assigned(statement.then), ...assigned(statement.otherwise)];
      default: return assigned(statement.body);
    }
  });
  return [...new Set(found)];
}

function at(state: State, variable: number): Value {
  return only([state.values[variable]]);
}

function sum(b: Builder, x: Value): Value {
  return b.reduceSum(x, { axes: [0] });
}
