/** Exchange of registers in text and in the interpreter: what it does, where it may stand, and what the verifier refuses. */

import assert from "node:assert/strict";
import { hostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import { parse } from "../../ir/parse.ts";
import { print } from "../../ir/print.ts";
import { verify } from "../../ir/verify.ts";

interface Parts {
  readonly attrs?: string;
  readonly threads?: number;
  readonly to?: string;
  readonly from?: string;
  /** What is done to the register of thread %t. */
  readonly fill?: string;
  readonly between?: string;
}

/** One block: each thread loads an element, they exchange, and each stores what it has then. */
function text({ attrs = '{"mask":1}', threads = 8, to = '{"dtype":"f32","shape":[8],"space":"private"}', from = to, fill = "store %own, %e, %t", between }: Parts = {}): string {
  const typed = (alloc: string): string => {
    const { dtype, shape, space = "local" } = JSON.parse(alloc) as { readonly dtype: string; readonly shape: readonly number[]; readonly space?: string };
    return `${space} ${dtype}[${shape.join()}] = alloc ${alloc}`;
  };
  return `func @f(%x: f32[8]) {
  %y: f32[8] = launch %x {"callee":"k"}
  return %y
}
func @k(%in0: global f32[8], %out0: global f32[8]) {
  %zero: index = dim {"size":0}
  %one: index = dim {"size":1}
  %count: index = dim {"size":${threads}}
  for %zero, %one, %one {"kind":"grid","threads":${threads}} {
    body(%block: index) {
      %own: ${typed(from)}
      %other: ${typed(to)}
      for %zero, %count, %one {"kind":"thread"} {
        body(%t: index) {
          %e: f32 = load %in0, %t
          ${fill}
        }
      }
      ${between ?? `shuffle_xor %other, %own ${attrs}`}
      for %zero, %count, %one {"kind":"thread"} {
        body(%u: index) {
          %g: f32 = load %other, %u
          store %out0, %g, %u
        }
      }
    }
  }
}
`;
}

function run(source: string): readonly number[] {
  const module = parse(source);
  verify(module);
  return Array.from(interpret(module, "f", [hostArray("f32", [8], [0, 1, 2, 3, 4, 5, 6, 7])])[0]?.data ?? []);
}

describe("shuffle_xor", () => {
  it("gives each thread the register of the one whose number differs in a bit", () => {
    assert.deepEqual(run(text()), [1, 0, 3, 2, 5, 4, 7, 6]);
    assert.deepEqual(run(text({ attrs: '{"mask":2}' })), [2, 3, 0, 1, 6, 7, 4, 5]);
    assert.deepEqual(run(text({ attrs: '{"mask":4}' })), [4, 5, 6, 7, 0, 1, 2, 3]);
  });

  it("reads all before it writes any", () => {
    const inPlace = 'shuffle_xor %own, %own {"mask":1}\nshuffle_xor %other, %own {"mask":2}';
    assert.deepEqual(run(text({ between: inPlace })), [3, 2, 1, 0, 7, 6, 5, 4]);
  });

  it("prints, and reads back as it prints", () => {
    const printed = print(parse(text()));
    assert.match(printed, /^ {6}shuffle_xor %\d+, %\d+ \{"mask":1\}$/m);
    assert.equal(print(parse(printed)), printed);
  });

  it("needs the register of every thread", () => {
    const isFirst = '%first: bool = lt %t, %one\nif %first {\nthen() {\nstore %own, %e, %t\n}\nelse() {\n}\n}';
    assert.throws(() => run(text({ fill: isFirst })), /load at \[1\] of private f32\[8\]: nothing was stored there before/);
  });

  it("stands between phases", () => {
    assert.throws(() => run(text({ fill: 'store %own, %e, %t\nshuffle_xor %other, %own {"mask":1}' })), /a shuffle_xor stands between the phases of a block/);
  });

  const alloc = (dtype: string, shape: string, space = "private"): string => `{"dtype":"${dtype}","shape":${shape},"space":"${space}"}`;
  const refused: readonly (readonly [what: string, parts: Parts, message: RegExp])[] = [
    ["a mask that is no power of two", { attrs: '{"mask":3}' }, /the mask of a shuffle_xor is a power of two; mask is 3/],
    ["a mask of 0", { attrs: '{"mask":0}' }, /the mask of a shuffle_xor is a power of two; mask is 0/],
    ["no mask", { attrs: "" }, /the mask of a shuffle_xor is a power of two; mask is undefined/],
    ["a partner that no thread is", { attrs: '{"mask":8}' }, /each of the threads needs a partner, so they are a multiple of 16; to is private f32\[8\]/],
    ["memory that threads share", { to: alloc("f32", "[8]", "shared") }, /between two private memories of one type, with an element for each thread; to is shared f32\[8\]/],
    ["registers of two types", { from: alloc("f32", "[8]"), to: alloc("i32", "[8]") }, /between two private memories of one type.*; to is private i32\[8\]; from is private f32\[8\]/],
    ["several registers of a thread", { to: alloc("f32", "[8,2]"), fill: "" }, /with an element for each thread; to is private f32\[8,2\]/],
  ];
  for (const [what, parts, message] of refused) it(`is refused with ${what}`, () => assert.throws(() => verify(parse(text(parts))), message));
});
