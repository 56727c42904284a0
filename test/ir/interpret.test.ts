/**
 * The reference interpreter: programs with known answers at both levels, and everything that it refuses.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { hostArray, type HostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import { parse } from "../../ir/parse.ts";
import { verify } from "../../ir/verify.ts";

function f32(shape: readonly number[], values?: readonly number[]): HostArray {
  return hostArray("f32", shape, values);
}

/** Runs function @f of a program that the verifier accepts. */
function run(text: string, inputs: readonly HostArray[], sizes: Readonly<Record<string, number>> = {}): readonly (readonly number[])[] {
  const module = parse(text);
  verify(module);
  return interpret(module, "f", inputs, sizes).map(({ data }) => [...data]);
}

describe("interpret, tensor level", () => {
  const programs = parse(readFileSync(new URL("../programs/while-if.ir", import.meta.url), "utf8"));

  it("runs a while with an if inside", () => {
    verify(programs);
    for (const [start, steps] of [[1, 0], [6, 8], [7, 16], [27, 111]] as const) {
      const [result] = interpret(programs, "collatz", [hostArray("i32", [], [start])]);
      assert.deepEqual(result, hostArray("i32", [], [steps]));
    }
  });

  it("iterates to a fixed point", () => {
    const squares = [0, 2, 9, 144, 0.25];
    const [roots, steps] = interpret(programs, "newton", [f32([5], squares)]);
    squares.forEach((square, i) => assert.ok(Math.abs((roots?.data[i] ?? NaN) - Math.sqrt(square)) < 1e-4, `root of ${square} is ${roots?.data[i]}`));
    assert.ok((steps?.data[0] ?? 0) > 3 && (steps?.data[0] ?? 50) < 50);
  });

  it("runs a for from start below stop by step", () => {
    const text = `func @f(%start: i32[], %stop: i32[], %step: i32[]) {
      %zero: i32[] = constant {"value":0,"dtype":"i32","shape":[]}
      %sum: i32[] = for %start, %stop, %step, %zero {
        body(%i: i32[], %so: i32[]) {
          %next: i32[] = add %so, %i
          yield %next
        }
      }
      return %sum
    }`;
    const integers = (...values: readonly number[]): readonly HostArray[] => values.map((value) => hostArray("i32", [], [value]));
    assert.deepEqual(run(text, integers(1, 10, 3)), [[1 + 4 + 7]]);
    assert.deepEqual(run(text, integers(5, 5, 1)), [[0]]);
    assert.throws(() => run(text, integers(0, 5, 0)), /the step of a for must be positive, and it is 0/);
  });

  it("calls functions, and runs groups", () => {
    const text = `func @f(%x: f32[N]) {
      %0: f32[N] = call %x {"callee":"double"}
      %1: f32[N] = group %0 {
        body(%y: f32[N]) {
          %2: f32[N] = neg %y
          yield %2
        }
      }
      return %1
    }
    func @double(%x: f32[N]) {
      %0: f32[N] = add %x, %x
      return %0
    }`;
    assert.deepEqual(run(text, [f32([3], [1, 2, 3])]), [[-2, -4, -6]]);
  });

  it("binds named dims by the inputs, and takes others as given", () => {
    const text = `func @f(%x: f32[N,N+1]) {
      %0: f32[N*2,M] = constant {"value":7,"dtype":"f32","shape":["2*N","M"]}
      return %0
    }`;
    assert.equal(run(text.replace("N,N+1", "N,N+1"), [f32([1, 2])], { M: 3 })[0]?.length, 6);
    assert.throws(() => run(text, [f32([1, 2])]), /the size of dim M is not known here/);
    assert.throws(() => run(text, [f32([1, 3])], { M: 1 }), { message: "input 0 (x) of @f is f32[1,3], and the parameter is f32[N,N+1]" });
    assert.throws(() => run(text, [f32([1, 2])], { N: 2, M: 1 }), {
      message: "input 0 (x) of @f is f32[1,2], and the parameter is f32[N,N+1]: N is 2 and 1",
    });
    assert.throws(() => run(text, [hostArray("i32", [1, 2])], { M: 1 }), /is i32\[1,2\], and the parameter is f32\[N,N\+1\]/);
    assert.throws(() => run(text, []), /@f takes 1 inputs, and 0 are given/);
    assert.throws(() => run(text, [f32([1, 2]), f32([])]), /input 1 \(unnamed\) of @f has no parameter that takes an array/);
  });

  it("refuses derivatives, which transform replaces", () => {
    const text = `func @f(%x: f32[]) {
      %0: f32[], %1: f32[] = value_and_grad %x {"callee":"g","wrt":[0]}
      return %1
    }
    func @g(%x: f32[]) {
      return %x
    }`;
    assert.throws(() => run(text, [f32([], [1])]), {
      message: "value_and_grad has no meaning on arrays; the transform pass replaces it by ops that have one",
    });
  });
});

/** A kernel @k from f32[N,M] to f32[R,C], launched by @f. */
function kernel(body: string, types: { readonly x?: string; readonly y?: string } = {}): string {
  const { x = "f32[N,M]", y = "f32[N,M]" } = types;
  return `func @f(%x: ${x}) {
    %0: ${y} = launch %x {"callee":"k"}
    return %0
  }
  func @k(%x: global ${x}, %y: global ${y}) {
    ${body}
  }`;
}

/** parallel over N x M; the body sees %i, %j and the element %e. */
function overElements(body: string): string {
  return kernel(`parallel {"extents":["N","M"]} {
      body(%i: index, %j: index) {
        %e: f32 = load %x, %i, %j
        ${body}
      }
    }`);
}

const matrix = f32([2, 3], [1, 2, 3, 4, 5, 6]);

describe("interpret, kernel level", () => {
  it("runs a parallel over elements", () => {
    const text = overElements("%d: f32 = add %e, %e\nstore %y, %d, %i, %j");
    assert.deepEqual(run(text, [matrix]), [[2, 4, 6, 8, 10, 12]]);
    assert.deepEqual(run(text, [f32([0, 3])]), [[]]);
  });

  it("runs a kernel that is named itself", () => {
    const module = parse(overElements("store %y, %e, %i, %j"));
    assert.deepEqual(interpret(module, "k", [matrix]), [matrix]);
  });

  it("rounds to the dtype after each op", () => {
    const text = overElements(`%tenth: f32 = constant {"value":0.1,"dtype":"f32"}
      %s: f32 = mul %e, %tenth
      store %y, %s, %i, %j`);
    assert.deepEqual(run(text, [f32([1, 1], [3])]), [[Math.fround(3 * Math.fround(0.1))]]);
  });

  it("folds a tuple by a reduce", () => {
    const text = kernel(
      `parallel {"extents":["N"]} {
        body(%i: index) {
          %low: f32 = constant {"value":-Infinity,"dtype":"f32"}
          %none: index = constant {"value":-1,"dtype":"index"}
          %best: f32, %where: index = reduce %low, %none {"extents":["M"]} {
            element(%j: index) {
              %e: f32 = load %x, %i, %j
              yield %e, %j
            }
            combine(%a: f32, %p: index, %b: f32, %q: index) {
              %greater: bool = gt %b, %a
              %value: f32 = select %greater, %b, %a
              %position: index = select %greater, %q, %p
              yield %value, %position
            }
          }
          %number: f32 = cast %where {"dtype":"f32"}
          %both: f32 = add %best, %number
          store %y, %both, %i
        }
      }`,
      { y: "f32[N]" },
    );
    assert.deepEqual(run(text, [f32([2, 3], [1, 9, 9, 8, 5, 6])]), [[10, 8]]);
  });

  for (const [reverse, sums] of [[false, [1, 3, 6, 4, 9, 15]], [true, [6, 5, 3, 15, 11, 6]]] as const) {
    it(`scans ${reverse ? "from the end" : "from the start"}`, () => {
      const text = kernel(`parallel {"extents":["N"]} {
        body(%i: index) {
          %zero: f32 = constant {"value":0,"dtype":"f32"}
          scan %zero {"extent":"M","reverse":${reverse}} {
            element(%j: index) {
              %e: f32 = load %x, %i, %j
              yield %e
            }
            combine(%a: f32, %b: f32) {
              %s: f32 = add %a, %b
              yield %s
            }
            emit(%at: index, %so: f32) {
              store %y, %so, %i, %at
            }
          }
        }
      }`);
      assert.deepEqual(run(text, [matrix]), [sums]);
    });
  }

  it("contracts", () => {
    const text = kernel(
      `contract {"batch":[],"m":"N","n":"N","k":"M","dtype":"f32"} {
        left(%i: index, %p: index) {
          %e: f32 = load %x, %i, %p
          yield %e
        }
        right(%q: index, %j: index) {
          %g: f32 = load %x, %j, %q
          yield %g
        }
        epilogue(%r: index, %c: index, %total: f32) {
          %n: f32 = neg %total
          store %y, %n, %r, %c
        }
      }`,
      { y: "f32[N,N]" },
    );
    assert.deepEqual(run(text, [matrix]), [[-14, -32, -32, -77]]);
  });

  it("runs loops, vectors and scratch memory", () => {
    const text = kernel(
      `%zero: index = dim {"size":0}
      %one: index = dim {"size":1}
      %n: index = dim {"size":"N"}
      for %zero, %n, %one {"kind":"grid"} {
        body(%i: index) {
          %scratch: local f32[4] = alloc {"dtype":"f32","shape":[4]}
          %v: f32x4 = load %x, %i, %zero {"lanes":4}
          %half: f32 = constant {"value":0.5,"dtype":"f32"}
          %halves: f32x4 = splat %half {"lanes":4}
          %w: f32x4 = mul %v, %halves
          store %scratch, %w, %zero
          %lanes: indexx4 = ramp %zero {"lanes":4}
          %three: index = constant {"value":3,"dtype":"index"}
          %threes: indexx4 = splat %three {"lanes":4}
          %back: indexx4 = sub %threes, %lanes
          %turned: f32x4 = load %scratch, %back
          %last: f32 = extract %turned {"lane":3}
          %stop: index = dim {"size":4}
          %sum: f32 = for %zero, %stop, %one, %last {
            body(%j: index, %so: f32) {
              %e: f32 = load %scratch, %j
              %next: f32 = add %so, %e
              yield %next
            }
          }
          %sums: f32x4 = splat %sum {"lanes":4}
          %result: f32x4 = add %turned, %sums
          store %y, %result, %i, %zero
        }
      }`,
      { x: "f32[N,4]", y: "f32[N,4]" },
    );
    assert.deepEqual(run(text, [f32([2, 4], [2, 4, 6, 8, 0, 0, 0, 2])]), [[15, 14, 13, 12, 2, 1, 1, 1]]);
  });

  it("runs an if and a while, whose carries change places", () => {
    const text = overElements(`%zero: f32 = constant {"value":0,"dtype":"f32"}
      %one: f32 = constant {"value":1,"dtype":"f32"}
      %count: f32, %a: f32, %b: f32 = while %e, %zero, %one {
        condition(%c: f32, %p: f32, %q: f32) {
          %more: bool = gt %c, %zero
          yield %more
        }
        body(%c2: f32, %p2: f32, %q2: f32) {
          %less: f32 = sub %c2, %one
          yield %less, %q2, %p2
        }
      }
      %isOdd: bool = eq %a, %one
      %r: f32 = if %isOdd {
        then() {
          yield %e
        }
        else() {
          yield %zero
        }
      }
      store %y, %r, %i, %j`);
    assert.deepEqual(run(text, [matrix]), [[1, 0, 3, 0, 5, 0]]);
  });

  const one = '%one: index = constant {"value":1,"dtype":"index"}\n';
  const zero = '%zero: index = constant {"value":0,"dtype":"index"}\n';
  const gridOver = (body: string): string => kernel(`%first: index = dim {"size":0}
      %step: index = dim {"size":1}
      %end: index = dim {"size":"N"}
      for %first, %end, %step {"kind":"grid"} {
        body(%i: index) {
          ${body}
        }
      }`);

  const refused: readonly (readonly [what: string, text: string, message: string | RegExp])[] = [
    [
      "a load past the end",
      overElements(`${one}%k: index = add %j, %one\n%g: f32 = load %x, %i, %k\nstore %y, %g, %i, %j`),
      "kernel @k, %x: load at [0,3] of input f32[2,3]: axis 1 has the size 3",
    ],
    [
      "a store before the start",
      overElements(`${one}%k: index = sub %i, %one\nstore %y, %e, %k, %j`),
      "kernel @k, %y: store at [-1,0] of result f32[2,3]: axis 0 has the size 2",
    ],
    [
      "a vector that runs over the end of an axis",
      gridOver(`${one}%v: f32x3 = load %x, %i, %one {"lanes":3}\nstore %y, %v, %i, %one`),
      "kernel @k, %x: load at [0,3] of input f32[2,3]: axis 1 has the size 3",
    ],
    ["a store to an input", overElements("store %x, %e, %i, %j"), "kernel @k, %x: store at [0,0] of input f32[2,3]: it is an input, which kernels only load from"],
    [
      "a load of scratch memory before any store",
      overElements(`%s: local f32[2] = alloc {"dtype":"f32","shape":[2]}\n${one}%g: f32 = load %s, %one\nstore %y, %g, %i, %j`),
      /^kernel @k, %\d+: load at \[1\] of local f32\[2\]: nothing was stored there before$/,
    ],
    [
      "scratch memory that an earlier iteration filled",
      overElements(`%s: local f32[1] = alloc {"dtype":"f32","shape":[1]}
        ${zero}%first: bool = eq %j, %zero
        if %first {
          then() {
            store %s, %e, %zero
          }
          else() {
          }
        }
        %g: f32 = load %s, %zero
        store %y, %g, %i, %j`),
      /nothing was stored there before/,
    ],
    [
      "results that are not complete",
      overElements(`${zero}%isFirst: bool = eq %i, %zero
        if %isFirst {
          then() {
            store %y, %e, %i, %j
          }
          else() {
          }
        }`),
      "kernel @k, %y: the kernel stored nothing to 3 of the 6 elements of result f32[2,3], the first at [1,0]",
    ],
    [
      "two iterations that store to one element",
      overElements(`${zero}store %y, %e, %zero, %j`),
      "kernel @k, %y: store at [0,0] of result f32[2,3]: iteration 3 of the parallel loop races with iteration 0, which stored to the same element",
    ],
    [
      "two iterations of a grid that store to one element",
      gridOver(`${zero}%e: f32 = load %x, %i, %zero\nstore %y, %e, %zero, %zero`),
      "kernel @k, %y: store at [0,0] of result f32[2,3]: iteration 1 of the parallel loop races with iteration 0, which stored to the same element",
    ],
    [
      "a load of what another iteration stored",
      overElements(`${zero}store %y, %e, %i, %j\n%g: f32 = load %y, %zero, %zero`),
      "kernel @k, %y: load at [0,0] of result f32[2,3]: iteration 1 of the parallel loop races with iteration 0, which stored to the same element",
    ],
    [
      "a store to what other iterations loaded",
      kernel(`parallel {"extents":["N","M"]} {
        body(%a: index, %b: index) {
          %e: f32 = load %x, %a, %b
          store %y, %e, %a, %b
        }
      }
      parallel {"extents":["N"]} {
        body(%i: index) {
          ${zero}${one}%n: index = dim {"size":"N"}
          %isLast: bool = eq %i, %one
          %g: f32 = load %y, %one, %zero
          if %isLast {
            then() {
              store %y, %g, %one, %zero
            }
            else() {
            }
          }
        }
      }`),
      "kernel @k, %y: store at [1,0] of result f32[2,3]: iteration 1 of the parallel loop races with iteration 0, which loaded from the same element",
    ],
    [
      "an epilogue that stores to what the contraction reads",
      kernel(`parallel {"extents":["N","M"]} {
        body(%a: index, %b: index) {
          %e: f32 = load %x, %a, %b
          store %y, %e, %a, %b
        }
      }
      contract {"batch":[],"m":"N","n":"M","k":"M","dtype":"f32"} {
        left(%i: index, %p: index) {
          %l: f32 = load %y, %i, %p
          yield %l
        }
        right(%q: index, %j: index) {
          %zero: index = dim {"size":0}
          %r: f32 = load %x, %zero, %j
          yield %r
        }
        epilogue(%r2: index, %c: index, %total: f32) {
          store %y, %total, %r2, %c
        }
      }`),
      /store at \[0,0\] of result f32\[2,3\]: iteration 1 of the parallel loop races with iteration 0, which loaded from/,
    ],
    [
      "a loop whose step is 0",
      overElements(`${zero}${one}for %zero, %one, %zero {"kind":"serial"} {\nbody(%t: index) {\n}\n}\nstore %y, %e, %i, %j`),
      /^kernel @k: for %\d+, %\d+, %\d+ \{"kind":"serial"\}: the step must be positive, and it is 0$/,
    ],
  ];
  for (const [what, text, message] of refused) {
    it(`refuses ${what}`, () => assert.throws(() => run(text, [matrix]), { message }));
  }

  it("lets one loop store to what an earlier loop stored to", () => {
    const body = (op: string): string => `parallel {"extents":["N","M"]} {
        body(%i: index, %j: index) {
          ${op}
          store %y, %r, %i, %j
        }
      }`;
    const text = kernel(`${body("%r: f32 = load %x, %i, %j")}\n${body("%o: f32 = load %y, %i, %j\n%r: f32 = add %o, %o").replaceAll("%i", "%k").replaceAll("%j", "%l").replaceAll("%r", "%s")}`);
    assert.deepEqual(run(text, [matrix]), [[2, 4, 6, 8, 10, 12]]);
  });
});
