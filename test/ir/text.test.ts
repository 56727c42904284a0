/**
 * Text of programs: what is printed reads back as the same program, everything a person may write is read, and text
 * that is no program is refused with its place.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { type Builder, buildFunction } from "../../ir/builder.ts";
import { namedDim } from "../../ir/dim.ts";
import type { AttrValue, Module, Op, Span, Value } from "../../ir/module.ts";
import { parse, parseType } from "../../ir/parse.ts";
import { print, printFunction, printOp } from "../../ir/print.ts";
import { verify } from "../../ir/verify.ts";
import { printType, tensorType } from "../../ir/type.ts";

const canonical = `func @all(%p.w[0]: f32[N,784], %0: bool[]) {
  %1: f32[] = constant {"dtype":"f32","shape":[],"value":-Infinity}
  %2: f32[max(M,N)+1,2] = constant {"dtype":"f32","shape":["max(M,N)+1",2],"value":NaN}
  %3: f32[2] = constant {"dtype":"f32","shape":[2],"value":[-0,1e+21]}
  %4: f32[N,784] = if %0 {
    then() {
      %5: f32[N,784] = neg %p.w[0]
      yield %5
    }
    else() {
      yield %p.w[0]
    }
  }
  return %4, %1
}

func @kernel(%x: global f32[N,16], %y: global f32[N,16]) {
  %0: index = dim {"size":"N"}
  parallel {"extents":["N"]} {
    body(%1: index) {
      %2: index = constant {"dtype":"index","value":0}
      %3: f32x16 = load %x, %1, %2 {"lanes":16}
      %4: f32x16 = neg %3
      %5: local f32[16] = alloc {"dtype":"f32","shape":[16]}
      store %5, %4, %2
      store %y, %4, %1, %2
    }
  }
}
`;

describe("text", () => {
  it("prints what it has read", () => assert.equal(print(parse(canonical)), canonical));

  it("reads back any program", () => {
    fc.assert(
      fc.property(modules, (module) => {
        const text = print(module, { spans: true });
        const read = parse(text);
        assert.equal(print(read, { spans: true }), text);
        assert.deepEqual(read.functions.map(comparable), module.functions.map(comparable));
        verify(read);
      }),
    );
  });

  it("numbers values in order, whatever they were called", () => {
    const written = "func @f(%x: f32[3]) { %late: f32[3] = neg %x; %early: f32[3] = abs %late // two on a line\n\n return %early }";
    assert.equal(print(parse(written)), "func @f(%x: f32[3]) {\n  %0: f32[3] = neg %x\n  %1: f32[3] = abs %0\n  return %1\n}\n");
  });

  it("keeps names of parameters that can stand in text, each once", () => {
    const type = tensorType("f32", []);
    const func = buildFunction("f", ["x", "x", "not a name", "layers[0].weight"].map((name) => ({ name, type })), (_b, values) => values);
    assert.match(printFunction(func), /^func @f\(%x: f32\[\], %0: f32\[\], %1: f32\[\], %layers\[0\]\.weight: f32\[\]\)/);
  });

  it("shows places when asked, and reads them always", () => {
    const written = 'func @f(%x: f32[]) {\n  %0: f32[] = neg %x @"model.ts:3:5+4" @"C:\\\\lib \\"a\\".ts:10:2+1"\n  return %0\n}\n';
    const module = parse(written);
    assert.equal(print(module, { spans: true }), written);
    assert.deepEqual(module.functions[0]?.body.ops[0]?.spans[1], { file: 'C:\\lib "a".ts', line: 10, column: 2, length: 1 });
    assert.ok(!print(module).includes("model.ts"));
  });

  it("reads every kind of type", () => {
    for (const text of ["f32[]", "bool[N,floordiv(N+3,4)]", "index", "bf16", "u32x4", "global f64[N]", "local i8[2,3]"]) {
      assert.equal(printType(parseType(text)), text);
    }
  });

  it("shows an op whose operand is defined nowhere", () => {
    const [op] = parse("func @f(%x: f32[]) {\n %0: f32[] = neg %x\n return %0 }").functions[0]?.body.ops ?? [];
    assert.equal(op === undefined ? "" : printOp(op, new Map()), "%?: f32[] = neg %?");
  });

  const wrong: readonly (readonly [what: string, text: string, message: string])[] = [
    ["an unknown op", "func @f() {\n  %0: f32[] = stopgradient %x\n}", '2:15: there is no op "stopgradient"; did you mean stop_gradient?'],
    ["an unknown value", "func @f(%x: f32[]) {\n  %0: f32[] = neg %y\n}", "2:19: %y is not defined here"],
    ["a value of an inner region", "func @f(%c: bool[]) {\n if %c {\n then() {\n %0: bool[] = not %c\n }\n else() { }\n }\n return %0\n}", "8:9: %0 is not defined here"],
    ["a second definition", "func @f(%x: f32[], %x: f32[]) { }", "1:20: %x is already defined"],
    ["a result that is twice there", "func @f(%x: f32[]) {\n %a: f32[], %a: f32[] = neg %x\n}", "2:13: %a is defined twice by one op"],
    ["a type that is none", "func @f(%x: float) { }", '1:13: "float" is no type: expected one of f64, f32, f16, bf16, i64, i32, i8, u32, u8, bool or index, or a shape after one'],
    ["a dtype that is none", "func @f(%x: global f31[2]) { }", '1:20: "f31" is no dtype: expected one of f64, f32, f16, bf16, i64, i32, i8, u32, u8, bool'],
    ["a dim that is none", "func @f(%x: f32[N,,2]) { }", '1:17: dim "" ends too early'],
    ["a shape that does not end", "func @f(%x: f32[N\n) { }", '1:16: this "[" has no "]" on its line'],
    ["no name", "func f() { }", '1:6: expected the function\'s name, such as @main, found "f"'],
    ["no equals sign", "func @f(%x: f32[]) {\n  %0: f32[] neg %x\n}", '2:13: expected "=" after the results, found "neg"'],
    ["no end", "func @f(%x: f32[]) {\n  return %x\n", '3:1: expected "}" after the body\'s return, found the end of the text'],
    ["a region under another name", "func @f(%c: bool[]) {\n  if %c {\n    yes() { }\n  }\n}", '3:5: expected "then" that begins a region of if, found "yes"'],
    ["an attr without a value", 'func @f() {\n  %0: f32[] = constant {"value":}\n}', '2:33: expected the value of an attr, found "}"'],
    ["an attr given twice", 'func @f() {\n  %0: f32[] = constant {"value":1,"value":2}\n}', '2:35: attr "value" is given twice'],
    ["a place that is none", 'func @f(%x: f32[]) {\n  %0: f32[] = neg %x @"model.ts"\n}', '2:22: a place is written @"file:line:column+length"'],
    ["a character that begins nothing", "func @f() { ! }", '1:13: "!" begins nothing that can stand in a program'],
  ];
  for (const [what, text, message] of wrong) {
    it(`refuses ${what}`, () => assert.throws(() => parse(text), { name: "ParseError", message }));
  }
});

/* ------------------------------------------------------------- random programs */

type Instruction = readonly [kind: "neg" | "add" | "constant" | "if" | "while", pick: number, number: number];

const numbers = fc.oneof(fc.constantFrom(NaN, Infinity, -Infinity, -0, 0), fc.double());
const instructions: fc.Arbitrary<readonly Instruction[]> = fc.array(
  fc.tuple(fc.constantFrom("neg" as const, "add" as const, "constant" as const, "if" as const, "while" as const), fc.nat(), numbers),
  { maxLength: 12 },
);
const spans: fc.Arbitrary<readonly Span[]> = fc.array(
  fc.record({ file: fc.string(), line: fc.nat(), column: fc.nat(), length: fc.nat() }, { noNullPrototype: true }),
  { maxLength: 2 },
);

const modules: fc.Arbitrary<Module> = fc.array(fc.tuple(instructions, spans), { maxLength: 3 }).map((functions) => ({
  functions: functions.map(([program, places], position) => {
    const type = tensorType("f32", [namedDim("N"), 3]);
    return buildFunction(`f${position}`, [{ name: "x", type }, { name: "y.z", type }], (b, parameters) =>
      b.at(places, () => [build(b, program, [...parameters])]),
    );
  }),
}));

/** A program of instructions; `pick` chooses among the values that are visible. */
function build(b: Builder, program: readonly Instruction[], visible: Value[]): Value {
  const at = (position: number): Value => {
    const value = visible[position % visible.length];
    if (value === undefined) throw new Error("no value is visible");
    return value;
  };
  program.forEach(([kind, pick, number], position) => {
    const rest = program.slice(position + 1);
    const x = at(pick);
    visible.push(...instruction(b, kind, x, at(pick + 1), number, (inner) => build(b, rest.slice(0, 3), [...visible, ...inner])));
  });
  return at(visible.length - 1);
}

function instruction(b: Builder, kind: Instruction[0], x: Value, y: Value, number: number, inner: (values: readonly Value[]) => Value): readonly Value[] {
  const type = tensorType("f32", [namedDim("N"), 3]);
  const no = (): Value => b.constantOf(tensorType("bool", []), 0);
  switch (kind) {
    case "neg": return [b.neg(x)];
    case "add": return [b.add(x, y)];
    case "constant": return [b.constantOf(type, number)];
    case "if": return b.if(no(), {}, [b.region([], () => [inner([])]), b.region([], () => [y])]);
    case "while": return b.while([x, y], {}, [b.region([type, type], () => [no()]), b.region([type, type], (carries) => [inner(carries), x])]);
  }
}

/** A function as plain data, with each value as its type. */
function comparable(func: Module["functions"][number]): unknown {
  const region = (of: { readonly parameters: readonly Value[]; readonly ops: readonly Op[]; readonly yields: readonly Value[] }): unknown => ({
    parameters: of.parameters.map(({ type }) => type),
    ops: of.ops.map((op) => ({ ...op, operands: op.operands.map(({ type }) => type), results: op.results.map(({ type }) => type), attrs: sorted(op.attrs), regions: op.regions.map(region) })),
    yields: of.yields.map(({ type }) => type),
  });
  return { name: func.name, parameterNames: func.parameterNames, body: region(func.body) };
}

function sorted(attrs: Readonly<Record<string, AttrValue>>): unknown {
  return Object.entries(attrs).sort(([a], [b]) => (a < b ? -1 : 1));
}
