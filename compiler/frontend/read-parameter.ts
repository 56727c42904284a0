/**
 * Parameter types: what the checker knows of a model's parameters, as trees of tensors and numbers.
 *
 * A Tensor's shape is read from its type arguments. The property that carries it for assignability has the named dims
 * erased, and says nothing here.
 */

import { ts } from "ts-morph";
import { type Dim, namedDim } from "../../ir/dim.ts";
import type { SignatureTree } from "../../ir/signature.ts";
import { type DType, dtypes, tensorType } from "../../ir/type.ts";
import { f64 } from "./evaluate-operator.ts";
import { type Evaluation, refuse } from "./evaluation.ts";

const allowed = "a parameter is a tensor, a number, or an interface, object, tuple or class of these";

interface Reading {
  readonly run: Evaluation;
  readonly checker: ts.TypeChecker;
  readonly parameter: ts.Node;
  /** Types that are being read, for recursive ones. */
  readonly within: readonly ts.Type[];
  readonly classes: Map<SignatureTree, ts.ClassLikeDeclaration>;
}

/** `classes` is told which objects of the tree are instances of which class. */
export function readParameterType(run: Evaluation, type: ts.Type, name: string, parameter: ts.Node, classes: Map<SignatureTree, ts.ClassLikeDeclaration>): SignatureTree {
  return readType({ run, checker: run.project.checker, parameter, within: [], classes }, type, name, parameter);
}

/** `node` is where a field was declared, when that is in the user's source; otherwise the parameter. */
function readType(reading: Reading, type: ts.Type, path: string, node: ts.Node): SignatureTree {
  const { checker, run } = reading;
  const tensor = readTensor(reading, type, path, node);
  if (tensor !== undefined) return tensor;
  if ((type.flags & ts.TypeFlags.NumberLike) !== 0 && (type.flags & ts.TypeFlags.EnumLike) === 0) return { kind: "number", type: f64 };
  if (checker.isTupleType(type)) return readTuple(reading, type as ts.TupleTypeReference, path, node);
  if (checker.isArrayType(type)) {
    return refuseType(reading, type, path, node, "an array of unknown length", "say how many items it has, with a tuple type: [Layer, Layer, Layer]");
  }
  if ((type.flags & ts.TypeFlags.TypeParameter) !== 0) {
    return refuseType(reading, type, path, node, "a type parameter", "write the type that the model is built for");
  }
  if ((type.flags & ts.TypeFlags.Intersection) !== 0 || isObject(type)) return readObject(reading, type, path, node);
  if (type.isUnion() && (type.flags & ts.TypeFlags.BooleanLike) === 0) {
    return refuseType(reading, type, path, node, "a union", "a model is built for one type; write one model for each, or pass what differs as a tensor");
  }
  return refuse(run, node, "TSDL1001", `${path} is ${article(describeType(checker, type))}, which a model cannot take`, {
    label: `the type is ${checker.typeToString(type)}`,
    notes: [allowed],
    help: adviceFor(type, ts.isPropertyDeclaration(node) && ts.isClassLike(node.parent)),
  });
}

function adviceFor(type: ts.Type, isClassField: boolean): string {
  if (type.getCallSignatures().length > 0) return "write it as a method of a class, or make it a function of the program; only data is passed";
  if ((type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown | ts.TypeFlags.Never)) !== 0) return 'write its type: Tensor<["N", 784]>, or number';
  if ((type.flags & ts.TypeFlags.BooleanLike) !== 0) return 'pass a number, or a Tensor<[], "bool">; or make it a constant of the program';
  if (isClassField) return "make it static, or a getter: only data is passed, and the class has the rest";
  return "make it a constant of the program: a function that takes it and returns the model's function";
}

/** Tensor<[784, "N"], "f32"> from the library, and types that are aliases of one. */
function readTensor(reading: Reading, type: ts.Type, path: string, node: ts.Node): SignatureTree | undefined {
  const { checker } = reading;
  const symbol = type.getSymbol();
  if (symbol?.name !== "Tensor" || !(symbol.declarations ?? []).some(reading.run.project.isLibraryDeclaration)) return undefined;
  const [shape, dtype] = checker.getTypeArguments(type as ts.TypeReference);
  return { kind: "tensor", type: tensorType(readDType(reading, dtype, path, node), readShape(reading, shape, path, node)) };
}

function readShape(reading: Reading, shape: ts.Type | undefined, path: string, node: ts.Node): readonly Dim[] {
  const { checker, run } = reading;
  if (shape === undefined || !checker.isTupleType(shape)) {
    return refuse(run, node, "TSDL1001", `the tensor ${path} needs a shape`, {
      label: shape === undefined ? "" : `its shape is ${checker.typeToString(shape)}`,
      help: 'write the sizes, with names for those that vary: Tensor<["N", 784]>',
    });
  }
  const { target } = shape as ts.TupleTypeReference;
  if (target.hasRestElement || target.minLength !== target.fixedLength) {
    return refuse(run, node, "TSDL1001", `the tensor ${path} needs a known number of axes`, { label: `its shape is ${checker.typeToString(shape)}` });
  }
  return checker.getTypeArguments(shape as ts.TypeReference).map((dim, axis) => {
    if (dim.isNumberLiteral() && Number.isInteger(dim.value) && dim.value >= 0) return dim.value;
    if (dim.isStringLiteral() && /^[A-Za-z_][A-Za-z_0-9]*$/.test(dim.value)) return namedDim(dim.value);
    const isName = dim.isStringLiteral();
    return refuse(run, node, "TSDL1001", `axis ${axis} of the tensor ${path} needs a size or a name`, {
      label: `it is ${checker.typeToString(dim)}`,
      help: isName ? 'a name is made of letters, digits and _: "N"' : 'write a number, or a name for a size that varies: Tensor<["N", 784]>',
    });
  });
}

function readDType(reading: Reading, dtype: ts.Type | undefined, path: string, node: ts.Node): DType {
  if (dtype === undefined) return "f32";
  const found = dtype.isStringLiteral() ? dtypes.find((candidate) => candidate === dtype.value) : undefined;
  if (found !== undefined) return found;
  return refuse(reading.run, node, "TSDL1001", `the tensor ${path} needs one dtype`, {
    label: `it is ${reading.checker.typeToString(dtype)}`,
    help: `write one of ${dtypes.join(", ")}`,
  });
}

function readTuple(reading: Reading, type: ts.TupleTypeReference, path: string, node: ts.Node): SignatureTree {
  if (type.target.hasRestElement || type.target.minLength !== type.target.fixedLength) {
    return refuseType(reading, type, path, node, "a tuple of varying length", "give every item a place of its own: [Layer, Layer]");
  }
  return { kind: "array", items: reading.checker.getTypeArguments(type).map((item, i) => readType(reading, item, `${path}.${i}`, node)) };
}

function isObject(type: ts.Type): boolean {
  return (type.flags & ts.TypeFlags.Object) !== 0 && type.getCallSignatures().length === 0 && type.getConstructSignatures().length === 0;
}

function readObject(reading: Reading, type: ts.Type, path: string, node: ts.Node): SignatureTree {
  const { checker, within } = reading;
  const changeable = type.aliasSymbol?.name === "Readonly" ? type.aliasTypeArguments?.[0] : undefined;
  if (changeable !== undefined) return readType(reading, changeable, path, node);
  if (within.includes(type)) return refuseType(reading, type, path, node, "a type that contains itself", "write the levels out, or keep the items in a tuple");
  if (checker.getIndexInfosOfType(type).length > 0) {
    return refuseType(reading, type, path, node, "an object with fields that are not named", "name them in an interface: interface Params { w: Tensor<[784, 10]> }");
  }
  const classes = classesOf(reading, type);
  const fields = inOrderOfClasses(checker.getPropertiesOfType(type).filter((field) => !isMethod(field)), classes);
  const [own] = classes;
  if (own !== undefined && (ts.getModifiers(own) ?? []).some(({ kind }) => kind === ts.SyntaxKind.AbstractKeyword)) {
    return refuseType(reading, type, path, node, "of an abstract class", "a model is built for one class: name the one that is passed");
  }
  // A layer without weights is an instance that has only methods.
  if (fields.length === 0 && own === undefined) return refuseType(reading, type, path, node, "an object with no fields", "give it fields that are tensors or numbers");
  const inner = { ...reading, within: [...within, type] };
  const symbol = type.aliasSymbol ?? type.getSymbol();
  const tree: SignatureTree = {
    kind: "object",
    declared: declaredName(symbol),
    // TypeScript's own types, as Record, have comments that say nothing of this one.
    doc: symbol !== undefined && userDeclaration(reading, symbol) !== undefined ? docOf(checker, symbol) : undefined,
    fields: fields.map((field) => {
      const place = userDeclaration(reading, field) ?? node;
      refusePrivateField(reading, field, path, place);
      if ((field.flags & ts.SymbolFlags.Optional) !== 0) {
        refuse(reading.run, place, "TSDL1001", `${path}.${field.name} is optional, and a model is built for one structure`, {
          help: `remove the ?; write two models if there are two structures`,
        });
      }
      const tree = readType(inner, checker.getTypeOfSymbolAtLocation(field, reading.parameter), `${path}.${field.name}`, place);
      return { name: field.name, tree, doc: docOf(checker, field) };
    }),
  };
  if (own !== undefined) reading.classes.set(tree, own);
  return tree;
}

/** The class that a type is of, and those that it extends. */
function classesOf({ checker }: Reading, type: ts.Type): readonly ts.ClassLikeDeclaration[] {
  const declaration = type.getSymbol()?.valueDeclaration;
  if (declaration === undefined || !ts.isClassLike(declaration)) return [];
  const [base] = checker.getBaseTypes((type as ts.TypeReference).target ?? (type as ts.InterfaceType));
  return [declaration, ...(base === undefined ? [] : classesOf({ checker } as Reading, base))];
}

/** As JavaScript makes the fields of an instance: those of a class that is extended first. */
function inOrderOfClasses(fields: readonly ts.Symbol[], classes: readonly ts.ClassLikeDeclaration[]): readonly ts.Symbol[] {
  const depthOf = (field: ts.Symbol): number => classes.findLastIndex((each) => each.members.some((member) => member.name?.getText() === field.name || isParameterProperty(member, field.name)));
  return [...fields].sort((left, right) => depthOf(right) - depthOf(left));
}

function isParameterProperty(member: ts.ClassElement, name: string): boolean {
  return ts.isConstructorDeclaration(member) && member.parameters.some((parameter) => ts.isParameterPropertyDeclaration(parameter, member) && parameter.name.getText() === name);
}

function refusePrivateField({ run }: Reading, field: ts.Symbol, path: string, place: ts.Node): void {
  const { valueDeclaration: declaration } = field;
  if (declaration === undefined || !ts.isPropertyDeclaration(declaration) || !ts.isPrivateIdentifier(declaration.name)) return;
  const name = declaration.name.text;
  refuse(run, place, "TSDL1001", `${path}.${name} is private, so who calls a built program cannot pass it`, {
    help: `declare it private ${name.slice(1)} instead of ${name}: the type checker guards that as well, and it is a parameter`,
  });
}

/** Methods of a class are not data. */
function isMethod(field: ts.Symbol): boolean {
  return (field.flags & (ts.SymbolFlags.Method | ts.SymbolFlags.Accessor)) !== 0 && (field.declarations ?? []).some((declaration) => ts.isClassLike(declaration.parent));
}

/** What an object literal type is called inside the checker is no name. */
function declaredName(symbol: ts.Symbol | undefined): string | undefined {
  return symbol === undefined || symbol.name.startsWith("__") ? undefined : symbol.name;
}

function docOf(checker: ts.TypeChecker, symbol: ts.Symbol): string | undefined {
  const doc = ts.displayPartsToString(symbol.getDocumentationComment(checker));
  return doc === "" ? undefined : doc;
}

function userDeclaration({ run }: Reading, symbol: ts.Symbol): ts.Node | undefined {
  return symbol.declarations?.find((declaration) => run.project.isUserFile(declaration.getSourceFile()) && !declaration.getSourceFile().isDeclarationFile);
}

function refuseType({ run, checker }: Reading, type: ts.Type, path: string, node: ts.Node, what: string, help: string): never {
  return refuse(run, node, "TSDL1001", `${path} is ${what}, which a model cannot take`, {
    label: `the type is ${checker.typeToString(type)}`,
    notes: [allowed],
    help,
  });
}

function describeType(checker: ts.TypeChecker, type: ts.Type): string {
  if ((type.flags & ts.TypeFlags.StringLike) !== 0) return "string";
  if ((type.flags & ts.TypeFlags.BooleanLike) !== 0) return "boolean";
  if (type.getCallSignatures().length > 0) return "function";
  if (type.getConstructSignatures().length > 0) return "class";
  if ((type.flags & ts.TypeFlags.Never) !== 0) return "parameter without a type";
  return checker.typeToString(type);
}

function article(noun: string): string {
  if (/^(any|unknown|null|undefined|void)\b/.test(noun)) return noun;
  return /^[aeiou]/i.test(noun) ? `an ${noun}` : `a ${noun}`;
}
