/**
 * One entry point: from `export const name = model(fn, options)` to a function of the module and its signature.
 */

import { ts } from "ts-morph";
import { createBuilder } from "../../ir/builder.ts";
import { type Dim, namesOfDim, substituteDim } from "../../ir/dim.ts";
import type { Func, Value } from "../../ir/module.ts";
import type { FieldWrite, NamedDim, Parameter, Precision, Signature, SignatureTree } from "../../ir/signature.ts";
import { type TensorType, tensorType } from "../../ir/type.ts";
import { buildFunction, type FunctionBuild, type FunctionParameter } from "./build-function.ts";
import { callValue, isStackOverflow } from "./evaluate-call.ts";
import { type DimEquality, type Evaluation, refuse, spanOf, use } from "./evaluation.ts";
import { evaluateExpression } from "./evaluate-expression.ts";
import { DimsUnified } from "./intrinsics.ts";
import type { SourceProject } from "./load-project.ts";
import { readParameterType } from "./read-parameter.ts";
import { moduleOf, moduleValue } from "./source-module.ts";
import { changedLeaves, flattenResult, replaceLeaves } from "./tree.ts";
import { ClassValue, Closure, describe, isArray, ModelValue, ObjectValue, RuntimeNumber, type StaticValue, TensorValue } from "./value.ts";

export interface ModelDeclaration {
  readonly name: string;
  readonly declaration: ts.VariableDeclaration;
  readonly call: ts.CallExpression;
}

export interface BuiltModel {
  readonly functions: readonly Func[];
  readonly signature: Signature;
}

export function newEvaluation(project: SourceProject, takenNames: Set<string>): Evaluation {
  const functions = new Map<string, Func>();
  return {
    project, functions, takenNames,
    b: createBuilder((name) => functions.get(name)),
    build: undefined,
    frames: [],
    journal: undefined,
    runtimeDepth: 0,
    steps: 0,
    equalities: new Map(),
    bounds: new Map(),
    inProgress: new Set(),
    scopesOfCalls: new WeakMap(),
  };
}

/** Evaluates a model, once more for each pair of dims that turn out to be equal. */
export function buildModel(project: SourceProject, model: ModelDeclaration, takenNames: Set<string>): BuiltModel {
  const equalities = new Map<string, DimEquality>();
  for (;;) {
    const run = newEvaluation(project, new Set(takenNames));
    for (const [name, equality] of equalities) run.equalities.set(name, equality);
    try {
      const built = evaluateModel(run, model);
      for (const { name } of built.functions) takenNames.add(name);
      return built;
    } catch (error) {
      // Frames of calls are counted, but a deeply nested expression can use up the stack before.
      if (isStackOverflow(error)) {
        refuse(run, run.frames.at(-1)?.site ?? model.call, "TSDL3006", "the program is nested too deeply to be evaluated", {
          help: "recursion runs while the program is built; use a loop, or fewer levels",
        });
      }
      if (!(error instanceof DimsUnified)) throw error;
      for (const [name, equality] of run.equalities) equalities.set(name, equality);
    }
  }
}

function evaluateModel(run: Evaluation, { name, declaration, call }: ModelDeclaration): BuiltModel {
  const module = moduleOf(run, call.getSourceFile());
  const value = evaluateExpression(run, call, module.scope, name);
  if (!(value instanceof ModelValue)) throw new Error(`${name} is no model`);
  const classes: ClassesOfTrees = new Map();
  const parameters = readParameters(run, call, value, classes);
  const { donate, ranges, precision } = readOptions(run, call, value.options, parameters);
  const flat = parameters.flatMap((parameter) => flattenTree(parameter.tree, [parameter.name]));
  const replaced = replacements(run);
  const types = flat.map((leaf): FunctionParameter => ({
    name: leaf.name,
    type: tensorType(leaf.type.dtype, leaf.type.shape.map((dim) => substituteDim(dim, replaced))),
  }));

  let tree: SignatureTree = { kind: "array", items: [] };
  let mutations: readonly FieldWrite[] = [];
  const { func } = buildFunction(run, name, types, (values, build) => {
    const remaining = [...values];
    const args = parameters.map((parameter) => treeValue(run, parameter.tree, remaining, build, classes));
    const before = args.map((argument) => replaceLeaves(argument, (leaf) => leaf));
    const result = callValue(run, value.body, args, call);
    const place = resultPlace(value.body, call);
    const changes = changedLeaves(run, before, args, [], parameters.map((parameter) => parameter.name), place);
    const flatResult = flattenResult(run, result === undefined && changes.length > 0 ? new ObjectValue() : result, place);
    tree = flatResult.tree;
    mutations = changes.map(({ path, value: changed }) => {
      if (changed.value.type.kind !== "tensor") throw new Error("a changed leaf is no tensor");
      return { path, type: changed.value.type };
    });
    return [...flatResult.values, ...changes.map(({ value: changed }) => use(run, changed, place))];
  });

  const functions = [...run.functions.values()];
  return {
    functions: [...functions.filter((candidate) => candidate !== func), func],
    signature: {
      name,
      dims: namedDims(flat, ranges),
      parameters: parameters.map((parameter, position) => ({ ...parameter, donated: donate.includes(position) })),
      result: tree,
      mutations,
      ...(precision === "f32" ? {} : { precision }),
      guards: [...[...run.equalities.values()].map(({ guard }) => guard), ...run.bounds.values()],
      doc: documentation(run, declaration),
      span: spanOf(run.project, declaration.name),
    },
  };
}

/** Types of the parameters from the checker, at this call of model, so that generics are filled in. */
function readParameters(run: Evaluation, call: ts.CallExpression, value: ModelValue, classes: ClassesOfTrees): readonly Parameter[] {
  const [argument] = call.arguments;
  if (argument === undefined) return refuse(run, call, "TSDL1002", "model takes a function");
  const [signature, ...overloads] = run.project.checker.getTypeAtLocation(argument).getCallSignatures();
  if (signature === undefined) return refuse(run, argument, "TSDL1002", "model takes a function", { label: `this is ${describe(value.body)}` });
  if (overloads.length > 0) return refuse(run, argument, "TSDL1002", "the function of a model has one signature", { label: `this has ${overloads.length + 1}` });
  return signature.getParameters().map((symbol, position) => {
    const declared = symbol.valueDeclaration;
    const place = declared !== undefined && run.project.isUserFile(declared.getSourceFile()) ? declared : argument;
    if (declared !== undefined && ts.isParameter(declared)) {
      const form = declared.dotDotDotToken !== undefined ? "takes a rest" : declared.questionToken !== undefined || declared.initializer !== undefined ? "is optional" : undefined;
      if (form !== undefined) {
        refuse(run, place, "TSDL1002", `parameter ${symbol.name} of a model ${form}, and a built program takes a fixed list`, {
          help: "write every parameter out; defaults and rests work in the functions that the model calls",
        });
      }
    }
    const name = declared !== undefined && ts.isParameter(declared) && ts.isIdentifier(declared.name) ? declared.name.text : `argument${position}`;
    return { name, tree: readParameterType(run, run.project.checker.getTypeOfSymbolAtLocation(symbol, argument), name, place, classes), donated: false, span: spanOf(run.project, place) };
  });
}

interface FlatLeaf {
  readonly name: string;
  readonly type: TensorType;
}

function flattenTree(tree: SignatureTree, path: readonly string[]): readonly FlatLeaf[] {
  switch (tree.kind) {
    case "tensor": case "number": return [{ name: path.join("."), type: tree.type }];
    case "array": return tree.items.flatMap((item, i) => flattenTree(item, [...path, String(i)]));
    case "object": return tree.fields.flatMap((field) => flattenTree(field.tree, [...path, field.name]));
  }
}

/** Which objects of parameters are instances, and of what. */
type ClassesOfTrees = Map<SignatureTree, ts.ClassLikeDeclaration>;

function treeValue(run: Evaluation, tree: SignatureTree, values: Value[], build: FunctionBuild, classes: ClassesOfTrees): StaticValue {
  switch (tree.kind) {
    case "tensor": return new TensorValue(next(values), build);
    case "number": return new RuntimeNumber(next(values), build);
    case "array": return tree.items.map((item) => treeValue(run, item, values, build, classes));
    case "object": {
      const fields = tree.fields.map((field) => [field.name, treeValue(run, field.tree, values, build, classes)] as const);
      const declaration = classes.get(tree);
      return new ObjectValue(fields, tree.declared, declaration === undefined ? undefined : classDeclaredBy(run, declaration));
    }
  }
}

/** The class of a parameter; its constructor does not run: the caller has the fields. */
function classDeclaredBy(run: Evaluation, declaration: ts.ClassLikeDeclaration): ClassValue | undefined {
  const named = ts.isClassExpression(declaration) ? declaration.parent : declaration;
  const module = moduleOf(run, declaration.getSourceFile());
  const isNamed = (ts.isVariableDeclaration(named) && ts.isIdentifier(named.name)) || ts.isClassDeclaration(named);
  const name = isNamed && named.name !== undefined ? (named.name as ts.Identifier).text : "default";
  const known = module.declarations.get(name);
  if (known === undefined || (known.node !== named && known.kind !== "ambient")) {
    return refuse(run, declaration, "TSDL1001", `the class ${name} of a parameter must be declared at the top level of its file`, { help: "move it out of the function" });
  }
  const value = moduleValue(run, module, name, declaration);
  return value instanceof ClassValue ? value : undefined;
}

function next(values: Value[]): Value {
  const value = values.shift();
  if (value === undefined) throw new Error("a parameter has no value");
  return value;
}

/** What stands for each name; a replacement may itself mention a name that was replaced later. */
function replacements(run: Evaluation): Readonly<Record<string, Dim>> {
  const found: Record<string, Dim> = {};
  for (const name of run.equalities.keys()) {
    let dim = run.equalities.get(name)?.dim ?? 0;
    while (namesOfDim(dim).some((inner) => run.equalities.has(inner))) {
      dim = substituteDim(dim, Object.fromEntries([...run.equalities].map(([inner, equality]) => [inner, equality.dim])));
    }
    found[name] = dim;
  }
  return found;
}

/** The `return` that made a result, when there is only one; else the function itself. */
function resultPlace(body: StaticValue, call: ts.Node): ts.Node {
  if (!(body instanceof Closure) || body.node.body === undefined) return call;
  if (!ts.isBlock(body.node.body)) return body.node.body;
  const last = body.node.body.statements.at(-1);
  return last !== undefined && ts.isReturnStatement(last) && last.expression !== undefined ? last.expression : body.node;
}

/* ---------------------------------------------------------------- options */

const precisions = ["f32", "tf32", "bf16"] as const satisfies readonly Precision[];

function isPrecision(value: StaticValue): value is Precision {
  return precisions.some((name) => name === value);
}

interface Options {
  readonly donate: readonly number[];
  readonly precision: Precision;
  readonly ranges: ReadonlyMap<string, { readonly min: number; readonly max: number | undefined }>;
}

function readOptions(run: Evaluation, call: ts.CallExpression, options: StaticValue, parameters: readonly Parameter[]): Options {
  const place = call.arguments[1] ?? call;
  if (options === undefined) return { donate: [], precision: "f32", ranges: new Map() };
  if (!(options instanceof ObjectValue)) return refuse(run, place, "TSDL1004", "the options of a model are an object", { label: `this is ${describe(options)}` });
  const unknown = [...options.fields.keys()].find((key) => key !== "donate" && key !== "dims" && key !== "precision");
  if (unknown !== undefined) refuse(run, place, "TSDL1004", `a model has no option ${unknown}`, { help: "options are donate, dims and precision" });
  const donate = options.fields.get("donate") ?? [];
  if (!isArray(donate)) return refuse(run, place, "TSDL1004", "donate is a list of positions", { label: `it is ${describe(donate)}`, help: "write { donate: [0] }" });
  const precision = options.fields.get("precision") ?? "f32";
  if (!isPrecision(precision)) {
    return refuse(run, place, "TSDL1004", "precision says what products of f32 matrices may round their factors to", {
      label: `it is ${describe(precision)}`,
      help: `it is one of ${precisions.map((name) => JSON.stringify(name)).join(", ")}`,
    });
  }
  return {
    precision,
    donate: donate.map((position) => {
      if (typeof position === "number" && position in parameters) return position;
      return refuse(run, place, "TSDL1004", "donate names parameters by position", {
        label: `${describe(position)} is no position of ${parameters.length} parameters`,
        help: "the first parameter is 0: { donate: [0] }",
      });
    }),
    ranges: readRanges(run, place, options.fields.get("dims"), parameters),
  };
}

function readRanges(run: Evaluation, place: ts.Node, dims: StaticValue, parameters: readonly Parameter[]): Options["ranges"] {
  if (dims === undefined) return new Map();
  if (!(dims instanceof ObjectValue)) return refuse(run, place, "TSDL1004", "dims gives named dims their ranges", { help: "write { dims: { N: { max: 4096 } } }" });
  const names = new Set(parameters.flatMap(({ tree }) => flattenTree(tree, [])).flatMap(({ type }) => type.shape.flatMap(namesOfDim)));
  return new Map([...dims.fields].map(([name, range]) => {
    if (!names.has(name)) {
      refuse(run, place, "TSDL1004", `no parameter has a dim named ${name}`, { label: names.size === 0 ? "there are no named dims" : `named dims are ${[...names].join(", ")}` });
    }
    const fields = range instanceof ObjectValue ? range.fields : new Map<string, StaticValue>();
    const [min, max] = [fields.get("min") ?? 0, fields.get("max")];
    const isBound = (value: StaticValue): boolean => typeof value === "number" && Number.isInteger(value) && value >= 0;
    if (!isBound(min) || (max !== undefined && !isBound(max)) || Number(min) > Number(max ?? Infinity)) {
      refuse(run, place, "TSDL1004", `the range of ${name} needs whole numbers, min up to max`, { label: `min is ${describe(min)}, max is ${describe(max)}` });
    }
    return [name, { min: Number(min), max: max === undefined ? undefined : Number(max) }] as const;
  }));
}

/** Without a range, any size from 0. */
function namedDims(flat: readonly FlatLeaf[], ranges: Options["ranges"]): readonly NamedDim[] {
  const names = new Set(flat.flatMap(({ type }) => type.shape.flatMap(namesOfDim)));
  return [...names].map((name) => ({ name, min: ranges.get(name)?.min ?? 0, max: ranges.get(name)?.max }));
}

function documentation(run: Evaluation, declaration: ts.VariableDeclaration): string | undefined {
  const symbol = run.project.checker.getSymbolAtLocation(declaration.name);
  const text = symbol === undefined ? "" : ts.displayPartsToString(symbol.getDocumentationComment(run.project.checker));
  return text === "" ? undefined : text;
}

