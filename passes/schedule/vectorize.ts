/**
 * Vectorize: the ops of a region once more, for several consecutive values of one index at a time.
 *
 * Each value is followed as one of three things: uniform, the same in every lane and still a scalar; ramp, an index
 * that is base + lane, so that an access by it is consecutive; vector, anything else. Only what must be a vector
 * becomes one: addresses stay scalar, and a load that no lane changes is done once.
 */

import type { Builder } from "../../ir/builder.ts";
import type { Op, Region, Value } from "../../ir/module.ts";
import { isElementwise } from "../../ir/op.ts";
import { findRecord } from "../../ir/ops/table.ts";
import { consecutiveAxis, scalarType } from "../../ir/type.ts";

export type Lanes =
  | { readonly kind: "uniform"; readonly value: Value }
  | { readonly kind: "ramp"; readonly base: Value }
  | { readonly kind: "vector"; readonly value: Value };

/** The same value in every lane. */
export function uniform(values: readonly Value[]): readonly Lanes[] {
  return values.map((value) => ({ kind: "uniform", value }));
}

/** A vector that has its lanes already. */
export function inVectors(values: readonly Value[]): readonly Lanes[] {
  return values.map((value) => ({ kind: "vector", value }));
}

/** Builds the ops of `region` where `b` stands, with its parameters as given; returns the yields, all as vectors. */
export function vectorize(b: Builder, region: Region, parameters: readonly Lanes[], lanes: number): readonly Value[] {
  const vectorizer = new Vectorizer(b, lanes);
  region.parameters.forEach((parameter, i) => {
    const given = parameters[i];
    if (given === undefined) throw new Error(`parameter ${i} of a vectorized region is missing`);
    vectorizer.set(parameter, given);
  });
  return vectorizer.run(region);
}

class Vectorizer {
  readonly #b: Builder;
  readonly #lanes: number;
  readonly #known = new Map<Value, Lanes>();
  /** Scratch memory of the region, with a last axis for the lanes: each lane has its own. */
  readonly #perLane = new Map<Value, Value>();

  constructor(b: Builder, lanes: number) {
    this.#b = b;
    this.#lanes = lanes;
  }

  set(value: Value, lanes: Lanes): void {
    this.#known.set(value, lanes);
  }

  run(region: Region): readonly Value[] {
    this.#runOps(region);
    return region.yields.map((value) => this.#vector(value));
  }

  #runOps(region: Region): void {
    for (const op of region.ops) this.#b.at(op.spans, () => this.#op(op));
  }

  /** A value from outside the region is uniform. */
  #get(value: Value): Lanes {
    return this.#known.get(value) ?? { kind: "uniform", value };
  }

  #isUniform(value: Value): boolean {
    return this.#get(value).kind === "uniform";
  }

  #uniform(value: Value): Value {
    const lanes = this.#get(value);
    if (lanes.kind !== "uniform") throw new Error("a value that differs between lanes is used where one is needed");
    return lanes.value;
  }

  #vector(value: Value): Value {
    const lanes = this.#get(value);
    switch (lanes.kind) {
      case "uniform": return this.#b.splat(lanes.value, { lanes: this.#lanes });
      case "ramp": return this.#b.ramp(lanes.base, { lanes: this.#lanes });
      case "vector": return lanes.value;
    }
  }

  #op(op: Op): void {
    switch (op.name) {
      case "load": return this.#load(op);
      case "store": return this.#store(op);
      case "reduce": return this.#reduce(op);
      case "parallel": return this.#parallel(op);
      case "if": return this.#if(op);
      case "alloc": return this.#alloc(op);
    }
    if (op.regions.length > 0) throw new Error(`${op.name} cannot be vectorized`);
    if (op.operands.every((operand) => this.#isUniform(operand))) {
      const results = this.#b.copy(op, op.operands.map((operand) => this.#uniform(operand)));
      op.results.forEach((result, i) => this.set(result, { kind: "uniform", value: results[i] ?? result }));
      return;
    }
    if (this.#isRampArithmetic(op)) return;
    if (!isElementwise(findRecord(op.name))) throw new Error(`${op.name} cannot be vectorized`);
    const results = this.#b.copy(op, op.operands.map((operand) => this.#vector(operand)));
    op.results.forEach((result, i) => this.set(result, { kind: "vector", value: results[i] ?? result }));
  }

  /** ramp + uniform, uniform + ramp and ramp - uniform are ramps. */
  #isRampArithmetic(op: Op): boolean {
    const [left, right] = op.operands.map((operand) => this.#get(operand));
    const [result] = op.results;
    if (left === undefined || right === undefined || result === undefined) return false;
    if (op.name !== "add" && op.name !== "sub") return false;
    if (left.kind === "ramp" && right.kind === "uniform") {
      const base = op.name === "add" ? this.#b.add(left.base, right.value) : this.#b.sub(left.base, right.value);
      this.set(result, { kind: "ramp", base });
      return true;
    }
    if (op.name === "add" && left.kind === "uniform" && right.kind === "ramp") {
      this.set(result, { kind: "ramp", base: this.#b.add(left.value, right.base) });
      return true;
    }
    return false;
  }

  #load(op: Op): void {
    const [buffer, ...index] = op.operands;
    const [result] = op.results;
    if (buffer === undefined || result === undefined) throw new Error("a load needs a buffer");
    const perLane = this.#perLane.get(buffer);
    if (perLane !== undefined) {
      this.set(result, { kind: "vector", value: this.#b.load(perLane, this.#laneIndex(index), { lanes: this.#lanes }) });
      return;
    }
    if (index.every((component) => this.#isUniform(component))) {
      this.set(result, { kind: "uniform", value: this.#b.load(buffer, index.map((component) => this.#uniform(component))) });
      return;
    }
    const address = this.#address(buffer, index);
    const value = this.#b.load(buffer, address.index, address.isConsecutive ? { lanes: this.#lanes } : {});
    this.set(result, { kind: "vector", value });
  }

  #store(op: Op): void {
    const [buffer, value, ...index] = op.operands;
    if (buffer === undefined || value === undefined) throw new Error("a store needs a buffer and a value");
    const perLane = this.#perLane.get(buffer);
    if (perLane !== undefined) {
      this.#b.store(perLane, this.#vector(value), this.#laneIndex(index));
      return;
    }
    if (index.every((component) => this.#isUniform(component))) {
      throw new Error("all lanes would store to one element");
    }
    this.#b.store(buffer, this.#vector(value), this.#address(buffer, index).index);
  }

  #alloc(op: Op): void {
    const [buffer] = op.results;
    if (buffer?.type.kind !== "buffer") throw new Error("an alloc makes a buffer");
    this.#perLane.set(buffer, this.#b.alloc({ dtype: buffer.type.dtype, shape: [...buffer.type.shape, this.#lanes] }));
  }

  #laneIndex(index: readonly Value[]): readonly Value[] {
    return [...index.map((component) => this.#uniform(component)), this.#b.index(0)];
  }

  /** Scalar indices of the first lane when the lanes are consecutive in memory; else one index for each lane. */
  #address(buffer: Value, index: readonly Value[]): { readonly index: readonly Value[]; readonly isConsecutive: boolean } {
    const components = index.map((component) => this.#get(component));
    const next = buffer.type.kind === "buffer" ? consecutiveAxis(buffer.type.shape) : -1;
    if (components.every(({ kind }, axis) => kind === (axis === next ? "ramp" : "uniform"))) {
      return { index: components.map((component) => (component.kind === "ramp" ? component.base : component.value)), isConsecutive: true };
    }
    return {
      index: index.map((component) => (this.#isUniform(component) ? this.#uniform(component) : this.#vector(component))),
      isConsecutive: false,
    };
  }

  /** The totals of all lanes at once: every slot becomes a vector. */
  #reduce(op: Op): void {
    const [element, combine] = op.regions;
    if (element === undefined || combine === undefined) throw new Error("a reduce has two regions");
    const b = this.#b;
    const identities = op.operands.map((operand) => this.#vector(operand));
    const elementRegion = b.region(element.parameters.map(({ type }) => type), (parameters) => {
      element.parameters.forEach((parameter, i) => this.set(parameter, { kind: "uniform", value: parameters[i] ?? parameter }));
      return this.run(element);
    });
    const types = combine.parameters.map(({ type }) => (type.kind === "scalar" ? scalarType(type.dtype, this.#lanes) : type));
    const combineRegion = b.region(types, (parameters) => {
      combine.parameters.forEach((parameter, i) => this.set(parameter, { kind: "vector", value: parameters[i] ?? parameter }));
      return this.run(combine);
    });
    const totals = b.copy(op, identities, [elementRegion, combineRegion]);
    op.results.forEach((result, i) => this.set(result, { kind: "vector", value: totals[i] ?? result }));
  }

  #parallel(op: Op): void {
    const [body] = op.regions;
    if (body === undefined) throw new Error("a parallel has a body");
    const region = this.#b.region(body.parameters.map(({ type }) => type), (parameters) => {
      body.parameters.forEach((parameter, i) => this.set(parameter, { kind: "uniform", value: parameters[i] ?? parameter }));
      this.#runOps(body);
      return [];
    });
    this.#b.copy(op, [], [region]);
  }

  /** The branch is the same for all lanes; what it yields need not be. */
  #if(op: Op): void {
    const [condition] = op.operands;
    if (condition === undefined) throw new Error("an if has a condition");
    const regions = op.regions.map((region) => this.#b.region([], () => this.run(region)));
    const values = this.#b.copy(op, [this.#uniform(condition)], regions);
    op.results.forEach((result, i) => this.set(result, { kind: "vector", value: values[i] ?? result }));
  }
}
