/**
 * What the agreement table has rows for: each example, a few calls of its functions as a user would make them, and where
 * that ends in an error by design. A cell that is not named here must be equal to the reference.
 */

import * as characters from "../../examples/characters/model.ts";
import * as equalize from "../../examples/equalize/model.ts";
import * as films from "../../examples/films/model.ts";
import * as line from "../../examples/line/model.ts";
import * as mnist from "../../examples/mnist/model.ts";
import * as newton from "../../examples/newton/model.ts";
import * as oscillator from "../../examples/oscillator/model.ts";
import * as solve from "../../examples/solve/model.ts";
import { type JitOptions, tensor } from "tsdlc";

export const ways = ["eager", "jit", "built"] as const;
export type Way = (typeof ways)[number];
export type Kind = "cpu" | "webgpu" | "cuda";

/** The functions that an example exports. */
export type Functions = Readonly<Record<string, (...args: never[]) => unknown>>;

export interface AgreementCase {
  /** The folder in examples. */
  readonly name: string;
  /** For the README. */
  readonly what: string;
  /** The functions as its source has them. */
  readonly source: Functions;
  /** Calls functions, those of the source or of a package; the tensors of what it returns are compared. */
  run(functions: Functions): unknown;
  /** How far a number may be from the reference, relative to the largest of its tensor; integers may not be off at all. */
  readonly tolerance: number;
  /**
   * Names of axes for jit, by function. Besides what they are for, they make of jit's kernels those of the package, which a
   * software driver of WebGPU then has compiled already.
   */
  readonly dims?: Readonly<Record<string, JitOptions["dims"]>>;
  /** Errors that are meant. */
  readonly errors: readonly MeantError[];
  /** The results in plain JavaScript, where the interpreter cannot run the example. */
  readonly expected?: () => readonly (readonly number[])[];
}

export interface MeantError {
  readonly way: Way;
  /** All devices when absent. */
  readonly device?: Kind;
  /** The class of the error, or the code of the diagnostic. */
  readonly name: string;
  /** A part of what it says to do. */
  readonly says: string;
}

/** Binds the calls to the types of the example. */
function agreementCase<E extends Functions>(one: Omit<AgreementCase, "source" | "run" | "errors" | "name"> & { readonly source: E; run(functions: E): unknown; readonly errors?: readonly MeantError[] }, name: string): AgreementCase {
  const { run } = one;
  return { errors: [], ...one, name, run: (functions) => run(functions as E) };
}

/** Numbers that look random and are the same everywhere. */
function noise(count: number, seed: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => {
    const x = Math.sin(seed * 12.9898 + i * 78.233) * 43758.5453;
    return x - Math.floor(x);
  });
}

const wholeNumbers = (count: number, below: number, seed: number): readonly number[] => noise(count, seed).map((x) => Math.floor(x * below));
const key = (seed: number) => tensor([seed, 7], [2], "u32");

const text = "to be, or not to be, that is the question: whether 'tis nobler in the mind to suffer";
const lines = (count: number, length: number) => tensor(Array.from({ length: count }, (_, i) => [...text.slice(9 * i, 9 * i + length)].map((letter) => letter.charCodeAt(0))), [count, length], "i32");

/** Symmetric and diagonally dominant, so that conjugate gradients takes several steps and converges. */
const equations = 24;
const matrix = Array.from({ length: equations }, (_, i) => Array.from({ length: equations }, (_, j) => (i === j ? 6 + (i % 5) : 1 / (1 + Math.abs(i - j)))));
const rightHandSide = noise(equations, 5).map((x) => x - 0.5);

export const agreementCases: readonly AgreementCase[] = [
  agreementCase({
    what: "a line through points: the smallest model that learns",
    source: line,
    dims: { step: [undefined, ["N", 2], ["N", 1]] },
    tolerance: 1e-5,
    run: ({ init, step }) => {
      const [x, y] = [tensor([[0, 0], [0, 1], [1, 0], [1, 1]]), tensor([[1], [-1], [4], [2]])];
      let p = init();
      for (let i = 0; i < 3; i++) ({ p } = step(p, x, y, tensor(0.3)));
      return p;
    },
  }, "line"),
  agreementCase({
    what: "digits from pixels: a perceptron with momentum",
    source: mnist,
    dims: { step: [undefined, ["N", 784], ["N"]], classify: [undefined, ["N", 784]] },
    tolerance: 1e-4,
    run: ({ init, step, classify }) => {
      const images = tensor(noise(4 * 784, 1), [4, 784]);
      let state = init(key(1));
      const losses = [];
      for (const labels of [[3, 1, 4, 1], [5, 9, 2, 6]]) {
        const next = step(state, images, tensor(labels, [4], "i32"), tensor(0.1));
        state = next.state;
        losses.push(next.loss);
      }
      return [losses, classify(state.params, images), state];
    },
  }, "mnist"),
  agreementCase({
    what: "the next letter of a text: causal attention, dropout, AdamW",
    source: characters,
    dims: { step: [undefined, ["N", 17]] },
    // Adam divides by the root of squares that are as small as what rounding leaves.
    tolerance: 2e-3,
    // One step: a software driver of WebGPU takes seconds to compile each of its products.
    run: ({ init, step }) => {
      const { state, loss } = step(init(key(2)), lines(2, 17), key(3), tensor(0.003));
      return [loss, state.moments];
    },
  }, "characters"),
  agreementCase({
    what: "stars for films: rows by index, Adam on donated tables",
    source: films,
    tolerance: 1e-4,
    run: ({ init, step, predict }) => {
      const pairs = { person: tensor(wholeNumbers(64, 943, 4), [64], "i32"), film: tensor(wholeNumbers(64, 1682, 5), [64], "i32") };
      const stars = tensor(wholeNumbers(64, 5, 6).map((given) => given + 1), [64]);
      let state = init(key(3));
      const losses = [];
      for (let i = 0; i < 3; i++) {
        const next = step(state, pairs, stars);
        state = next.state;
        losses.push(next.error);
      }
      return [losses, predict(state.params, pairs), state.moments];
    },
  }, "films"),
  agreementCase({
    what: "a network that fulfils u'' = -u: a gradient of gradients of gradients",
    source: oscillator,
    dims: { step: [undefined, ["N"]], motion: [undefined, ["N"]] },
    tolerance: 2e-3,
    run: ({ init, step, motion }) => {
      const times = tensor(noise(20, 7).map((x) => 3 * x), [20]);
      let state = init(key(4));
      const losses = [];
      for (let i = 0; i < 2; i++) {
        const next = step(state, times, tensor(0.01));
        state = next.state;
        losses.push(next.missing);
      }
      return [losses, motion(state.params, times), state.moments];
    },
  }, "oscillator"),
  agreementCase({
    what: "shades of a gray picture: whole numbers and bools",
    source: equalize,
    tolerance: 0,
    run: ({ equalize, peaks }) => {
      const picture = tensor(wholeNumbers(31 * 17, 60, 8).map((shade) => shade + 90), [31, 17], "u8");
      return [equalize(picture), peaks(picture), equalize(tensor(Array<number>(6).fill(7), [2, 3], "u8"))];
    },
  }, "equalize"),
  agreementCase({
    what: "linear equations by conjugate gradients: a loop that ends by a value",
    source: solve,
    tolerance: 1e-4,
    run: ({ solve }) => [solve(tensor(matrix), tensor(rightHandSide))],
    expected: () => [solvePlainly(matrix, rightHandSide)],
    errors: [
      { way: "eager", device: "webgpu", name: "DeviceError", says: "use await data()" },
      { way: "jit", name: "HandleError", says: "loop with whileLoop or scan" },
    ],
  }, "solve"),
  agreementCase({
    what: "Kepler's equation by Newton's method, and gradients through its loop",
    source: newton,
    tolerance: 1e-4,
    run: ({ solve: anomalies, sensitivity }) => {
      const [eccentricity, mean] = [tensor([0.1, 0.5, 0.8]), tensor([0.5, 2, 1])];
      return [anomalies(eccentricity, mean, 1e-5).anomaly, sensitivity(eccentricity, mean, 1e-5)];
    },
    errors: [
      { way: "eager", device: "webgpu", name: "DeviceError", says: "use await data()" },
      { way: "jit", name: "HandleError", says: "loop with whileLoop or scan" },
    ],
  }, "newton"),
];

/** Gauss's elimination, which needs no pivots for a matrix that is positive definite. */
function solvePlainly(a: readonly (readonly number[])[], b: readonly number[]): readonly number[] {
  const rows = a.map((row, i) => [...row, b[i] ?? NaN]);
  for (const [i, row] of rows.entries()) {
    for (const other of rows) {
      if (other === row) continue;
      const share = (other[i] ?? NaN) / (row[i] ?? NaN);
      row.forEach((value, j) => (other[j] = (other[j] ?? NaN) - share * value));
    }
  }
  return rows.map((row, i) => (row.at(-1) ?? NaN) / (row[i] ?? NaN));
}
