/** The frontend: blessed cases, the language against JavaScript itself, and that every syntax is handled or refused. */

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ts } from "ts-morph";
import { diagnosticCodes } from "../../compiler/diagnostics.ts";
import { compileSource, type CompiledSource } from "../../compiler/frontend/compile-source.ts";
import { expressionHandlers } from "../../compiler/frontend/evaluate-expression.ts";
import { statementHandlers } from "../../compiler/frontend/evaluate-statement.ts";
import { loadProject } from "../../compiler/frontend/load-project.ts";
import { refusedSyntax } from "../../compiler/frontend/syntax.ts";
import { hostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import type { SignatureTree } from "../../ir/signature.ts";
import { verify } from "../../ir/verify.ts";
import { casesFolder, compareBlessed, printCompiled, renderFaults } from "./run-cases.ts";
import * as classes from "./programs/classes.ts";
import * as controlFlow from "./programs/control-flow.ts";
import * as data from "./programs/data.ts";
import * as numbers from "./programs/numbers.ts";
import * as statics from "./programs/statics.ts";

const programsFolder = fileURLToPath(new URL("programs", import.meta.url));
const accepted = filesIn("accepted");
const refused = filesIn("refused");

function filesIn(folder: string): readonly string[] {
  return readdirSync(path.join(casesFolder, folder)).filter((file) => /\.tsx?$/.test(file)).map((file) => path.join(folder, file));
}

describe("frontend", function () {
  // All cases are one program to the checker, so that it reads declarations once.
  before(function () {
    loadProject([...accepted, ...refused].map((file) => path.join(casesFolder, file)), casesFolder);
  });

  describe("accepted programs", () => {
    for (const file of accepted) {
      it(path.basename(file, ".ts"), () => {
        assert.equal(renderFaults([file], casesFolder), undefined);
        const compiled = compileSource([file], { workingDirectory: casesFolder });
        verify(compiled.module);
        compareBlessed(path.join(casesFolder, file.replace(/\.tsx?$/, ".ir")), printCompiled(compiled));
      });
    }
  });

  it("has a case for every blessed file", () => {
    const cases = new Set([...accepted.map((file) => file.replace(/\.tsx?$/, ".ir")), ...refused.map((file) => file.replace(/\.tsx?$/, ".txt"))]);
    const blessed = ["accepted", "refused"].flatMap((folder) => readdirSync(path.join(casesFolder, folder)).filter((file) => /\.(ir|txt)$/.test(file)).map((file) => path.join(folder, file)));
    assert.deepEqual(blessed.filter((file) => !cases.has(file)), []);
  });

  describe("refused programs", () => {
    for (const file of refused) {
      it(path.basename(file, ".ts"), () => {
        const faults = renderFaults([file], casesFolder);
        assert.ok(faults !== undefined, `${file} compiles`);
        compareBlessed(path.join(casesFolder, file.replace(/\.tsx?$/, ".txt")), faults);
      });
    }

    it("every code is tried by a case or a test", () => {
      const texts = [...refused.map((file) => renderFaults([file], casesFolder) ?? ""), ...otherFaults().map(([, text]) => text)].join("\n");
      // See cli/bad-input and cli/diff.test.ts.
      const ofOtherCommands = ["TSDL4006", "TSDL5001", "TSDL6001", "TSDL6002", "TSDL6003"];
      const untried = Object.keys(diagnosticCodes).filter((code) => !texts.includes(code) && !ofOtherCommands.includes(code));
      assert.deepEqual(untried, []);
    });

    for (const [name, text, expected] of otherFaults()) it(name, () => assert.equal(text, expected));
  });

  describe("the language means what JavaScript means", () => {
    it("while a model is built", () => compareWithJavaScript("statics", statics, []));
    for (const inputs of [[0.75, 2.5], [-1.3, 0.4], [-2.5, 3], [250, 0.01]]) {
      it(`on numbers of run time ${inputs.join(", ")}`, () => compareWithJavaScript("numbers", numbers, inputs));
      it(`of classes on ${inputs.join(", ")}`, () => compareWithJavaScript("classes", classes, inputs));
      it(`of data on ${inputs.join(", ")}`, () => compareWithJavaScript("data", data, inputs));
      it(`in branches and loops on ${inputs.join(", ")}`, () => compareWithJavaScript("control-flow", controlFlow, inputs));
    }
  });

  it("says where each op comes from, innermost user frame first", () => {
    const { module } = compileSource(["accepted/mnist.ts"], { workingDirectory: casesFolder });
    const loss = module.functions.find(({ name }) => name === "loss");
    const spans = loss?.body.ops[0]?.spans.filter(({ file }) => file === "accepted/mnist.ts");
    assert.deepEqual(spans?.map(({ line }) => line), [9, 12, 20, 18]);
    assert.ok(module.functions.every(({ body }) => body.ops.every((op) => op.spans[0]?.file === "accepted/mnist.ts")));
  });

  it("reads only the user's files", () => {
    const { files } = compileSource(["accepted/modules.ts"], { workingDirectory: casesFolder });
    assert.deepEqual(files.map((file) => path.relative(casesFolder, file)).sort(), ["accepted/library/blocks.ts", "accepted/library/config.json", "accepted/library/index.ts", "accepted/library/sizes.ts", "accepted/modules.ts", "tsconfig.json"]);
  });

  it("compiles a folder that has nothing but the file", () => {
    const folder = mkdtempSync(path.join(tmpdir(), "tsdlc-frontend-"));
    try {
      writeFileSync(path.join(folder, "model.ts"), `import { model, type Tensor } from "tsdlc";\nexport const twice = model((x: Tensor<["N"]>) => x.mul(2));\n`);
      assert.deepEqual(compileSource(["model.ts"], { workingDirectory: folder }).signatures.map(({ name }) => name), ["twice"]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("handles or refuses every kind of statement and expression, and none twice", () => {
    const handled = new Set([...Object.keys(expressionHandlers), ...Object.keys(statementHandlers)].map(Number));
    const advised = new Set(Object.keys(refusedSyntax).map(Number));
    const names = [...Array(ts.SyntaxKind.Count).keys()].filter(isStatementOrExpression);
    assert.deepEqual(names.filter((kind) => !handled.has(kind) && !advised.has(kind)).map((kind) => ts.SyntaxKind[kind]), []);
    assert.deepEqual([...handled].filter((kind) => advised.has(kind)).map((kind) => ts.SyntaxKind[kind]), []);
  });
});

/** Kinds that stand where a statement or an expression can, by the names that TypeScript gives them. */
function isStatementOrExpression(kind: ts.SyntaxKind): boolean {
  const name = ts.SyntaxKind[kind] ?? "";
  // Parts of other syntax, or made by the transforms of TypeScript's own emitter and never by its parser.
  const parts = ["SpreadElement", "JsxExpression", "SyntheticExpression", "PartiallyEmittedExpression", "CommaListExpression", "SyntheticReferenceExpression", "TypeParameterDeclaration", "MissingDeclaration", "FirstStatement", "LastStatement"];
  if (parts.includes(name) || name.startsWith("JSDoc") || name.startsWith("PropertyDe") || name.startsWith("MethodDe")) return false;
  return /(Statement|Expression|Declaration)$/.test(name) && !/^(VariableDeclaration|ClassStaticBlockDeclaration)$/.test(name);
}

type Tree = number | boolean | readonly Tree[] | { readonly [key: string]: Tree };

/** Builds a model of each function, interprets its IR, and compares with the function itself. */
function compareWithJavaScript(file: string, programs: Readonly<Record<string, (...inputs: number[]) => Tree>>, inputs: readonly number[]): void {
  const folder = mkdtempSync(path.join(tmpdir(), "tsdlc-frontend-"));
  try {
    const names = Object.keys(programs);
    const lines = names.map((name) => `export const ${name} = model(programs.${name});`);
    const source = path.relative(folder, path.join(programsFolder, `${file}.ts`));
    const strict = { compilerOptions: { strict: true, target: "ES2023", lib: ["ES2023"], module: "ESNext", moduleResolution: "Bundler", allowImportingTsExtensions: true, noEmit: true } };
    writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify(strict));
    writeFileSync(path.join(folder, "model.ts"), [`import { model } from "tsdlc";`, `import * as programs from "${source}";`, ...lines].join("\n"));
    assert.equal(renderFaults(["model.ts"], folder), undefined);
    const compiled = compileSource(["model.ts"], { workingDirectory: folder });
    verify(compiled.module);
    for (const name of names) {
      const program = programs[name] ?? (() => []);
      const expected = program(...inputs);
      const actual = evaluateModel(compiled, name, inputs.slice(0, program.length));
      compareTrees(expected, actual, name);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function evaluateModel({ module, signatures }: CompiledSource, name: string, inputs: readonly number[]): Tree {
  const signature = signatures.find((candidate) => candidate.name === name);
  assert.ok(signature !== undefined);
  const results = interpret(module, name, inputs.map((input) => hostArray("f64", [], [input]))).map(({ data }) => Number(data[0]));
  const build = (tree: SignatureTree): Tree => {
    switch (tree.kind) {
      case "array": return tree.items.map(build);
      case "object": return Object.fromEntries(tree.fields.map((field) => [field.name, build(field.tree)]));
      default: return results.shift() ?? NaN;
    }
  };
  return build(signature.result);
}

function compareTrees(expected: Tree, actual: Tree, where: string): void {
  if (typeof expected === "number" && typeof actual === "number") {
    const close = Object.is(expected, actual) || Math.abs(expected - actual) <= 1e-14 * Math.max(1, Math.abs(expected));
    assert.ok(close, `${where}: JavaScript says ${expected}, the model ${actual}`);
    return;
  }
  assert.deepEqual(Object.keys(actual), Object.keys(expected), where);
  for (const [key, item] of Object.entries(expected)) compareTrees(item, (actual as Record<string, Tree>)[key] ?? NaN, `${where}.${key}`);
}

/** Faults that have no place in a source file. */
function otherFaults(): readonly (readonly [string, string, string])[] {
  const faults = (...files: readonly string[]): string => renderFaults(files, casesFolder) ?? "";
  return [
    ["a missing file", faults("nothing.ts"), "error TSDL4001: there is no file nothing.ts\nhelp: paths are relative to the folder that the command runs in\n"],
    ["a folder", faults("accepted"), "error TSDL4001: accepted is a folder, not a file\nhelp: name the file with the models in it: tsdlc build model.ts\n"],
    ["two models of one name in two files", faults("accepted/mnist.ts", "accepted/duplicate/step.ts"), [
      "error TSDL4004: two models are named step",
      "  --> accepted/duplicate/step.ts:3:14",
      "  3 | export const step = model((x: Tensor<[\"N\"]>) => x.neg());",
      "    |              ^^^^ the second",
      "  --> accepted/mnist.ts:18:14",
      " 18 | export const step = model(",
      "    |              ^^^^ the first",
      "help: a package exports each by its name; rename one",
      "",
    ].join("\n")],
    ["a file of another kind", faults("accepted/mnist.ir"), "error TSDL4001: accepted/mnist.ir is not a TypeScript source file\nhelp: models are compiled from their .ts source\n"],
  ];
}
