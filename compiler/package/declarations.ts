/**
 * index.d.ts of a built package: the source's signatures in terms of the runtime alone.
 *
 * A named dim becomes a labelled `number`, so that `Tensor<["N", 784]>` reads `Tensor<[N: number, 784]>`; a literal
 * dim stays literal. Interfaces of the source are declared again by name. Parameters are wrapped in the runtime's
 * `Argument`, which lets each tensor leaf also be a typed array, or a number where the tensor has rank 0.
 */

import { type Dim, namesOfDim, printDim } from "../../ir/dim.ts";
import type { Field, ObjectTree, Signature, SignatureTree } from "../../ir/signature.ts";
import type { TensorType } from "../../ir/type.ts";

/** The text of index.d.ts; `title` is its opening line. */
export function printDeclarations(signatures: readonly Signature[], title: string): string {
  const interfaces = new Interfaces(signatures);
  const functions = signatures.map((signature) => printFunction(signature, interfaces));
  const imports = signatures.some((signature) => signature.parameters.length > 0) ? "Argument, Tensor" : "Tensor";
  return [
    `/** ${title} */\n`,
    `import type { ${imports} } from "tsdlc-runtime";\n`,
    ...interfaces.texts(),
    ...functions,
  ].join("\n");
}

function printFunction(signature: Signature, interfaces: Interfaces): string {
  const parameters = (indent: string): readonly string[] => signature.parameters.map(
    ({ name, tree }, position) => `${indent}${identifier(name, position)}: Argument<${printTree(tree, interfaces, indent)}>`,
  );
  const result = printTree(asResult(signature.result), interfaces, "");
  const head = `export declare function ${signature.name}`;
  const oneLine = `${head}(${parameters("").join(", ")}): ${result};`;
  const text = oneLine.length <= 120 ? oneLine : `${head}(\n${parameters("  ").map((parameter) => `${parameter},\n`).join("")}): ${result};`;
  return `${docComment(functionDoc(signature), "")}${text}\n`;
}

/** The source's doc comment, then what the caller must know that the type does not say. */
export function functionDoc(signature: Signature): string | undefined {
  const lines = signature.doc === undefined ? [] : [signature.doc];
  const ranges = signature.dims
    .filter(({ min, max }) => max !== undefined || min > 1)
    .map(({ name, min, max }) => (max === undefined ? `${name} is at least ${min}` : `${name} is ${min} to ${max}`));
  if (ranges.length > 0) lines.push(`Sizes: ${ranges.join(", ")}.`);
  const donated = signature.parameters.filter((parameter) => parameter.donated).map(({ name }) => `\`${name}\``);
  if (donated.length > 0) lines.push(`Consumes ${donated.join(" and ")}: the tensors passed there cannot be used afterwards.`);
  return lines.length === 0 ? undefined : lines.join("\n\n");
}

/** A doc comment with a line break after it, or nothing. */
export function docComment(doc: string | undefined, indent: string): string {
  if (doc === undefined || doc.trim() === "") return "";
  const lines = doc.trim().replaceAll("*/", "*\\/").split("\n");
  if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`;
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}`.trimEnd()).join("\n")}\n${indent} */\n`;
}

function printTree(tree: SignatureTree, interfaces: Interfaces, indent: string): string {
  switch (tree.kind) {
    case "tensor": return printTensor(tree.type);
    case "number": return "number";
    case "array": return `[${tree.items.map((item) => printTree(item, interfaces, indent)).join(", ")}]`;
    case "object": {
      const name = interfaces.declare(tree);
      return name ?? `{${printFields(tree.fields, interfaces, `${indent}  `)}${indent}}`;
    }
  }
}

function printFields(fields: readonly Field[], interfaces: Interfaces, indent: string): string {
  const lines = fields.map(
    ({ name, tree, doc }) => `${docComment(doc, indent)}${indent}${propertyName(name)}: ${printTree(tree, interfaces, indent)};\n`,
  );
  return lines.length === 0 ? "" : `\n${lines.join("")}`;
}

function printTensor(type: TensorType): string {
  const shape = `[${type.shape.map(printAxis).join(", ")}]`;
  return type.dtype === "f32" ? `Tensor<${shape}>` : `Tensor<${shape}, "${type.dtype}">`;
}

function printAxis(dim: Dim): string {
  if (typeof dim === "number") return String(dim);
  const [name] = namesOfDim(dim);
  return name === printDim(dim) ? `${name}: number` : `number /* ${printDim(dim)} */`;
}

/** A number that a function returns is a tensor of rank 0: reading it is a promise like any other read. */
function asResult(tree: SignatureTree): SignatureTree {
  switch (tree.kind) {
    case "tensor": return tree;
    case "number": return { kind: "tensor", type: tree.type };
    case "array": return { kind: "array", items: tree.items.map(asResult) };
    case "object": return { ...tree, fields: tree.fields.map((field) => ({ ...field, tree: asResult(field.tree) })) };
  }
}

/**
 * The interfaces of all signatures, in the order in which they are mentioned.
 *
 * A result is often an object literal, which has no declared type; where an interface has the same fields, its name
 * is used there too.
 */
class Interfaces {
  readonly #named = new Map<string, ObjectTree>();
  readonly #nameOf = new Map<string, string>();
  readonly #texts = new Map<string, string>();

  constructor(signatures: readonly Signature[]) {
    for (const { parameters, result } of signatures) {
      for (const { tree } of parameters) this.#collect(tree);
      this.#collect(asResult(result));
    }
  }

  /** The name under which an object type can be written, or undefined where it has to be spelled out. */
  declare(tree: ObjectTree): string | undefined {
    const name = this.#nameOf.get(structureOf(tree));
    const named = name === undefined ? undefined : this.#named.get(name);
    if (name === undefined || named === undefined) return undefined;
    if (!this.#texts.has(name)) {
      // The place is taken before the fields are printed, because they may mention further interfaces.
      this.#texts.set(name, "");
      this.#texts.set(name, `${docComment(named.doc, "")}export interface ${name} {${printFields(named.fields, this, "  ")}}\n`);
    }
    return name;
  }

  texts(): readonly string[] {
    return [...this.#texts.values()];
  }

  #collect(tree: SignatureTree): void {
    if (tree.kind === "array") tree.items.forEach((item) => this.#collect(item));
    if (tree.kind !== "object") return;
    const name = tree.declared;
    // Of two types with one name (from two files, or two instances of a generic) only the first can be declared.
    if (name !== undefined && isIdentifier(name) && !importedNames.has(name) && !this.#named.has(name)) {
      const structure = structureOf(tree);
      this.#named.set(name, tree);
      if (!this.#nameOf.has(structure)) this.#nameOf.set(structure, name);
    }
    tree.fields.forEach((field) => this.#collect(field.tree));
  }
}

const importedNames: ReadonlySet<string> = new Set(["Argument", "Tensor"]);

/** What makes two objects the same type: their fields and the types of those, however they are called. */
function structureOf(tree: SignatureTree): string {
  switch (tree.kind) {
    case "tensor": return printTensor(tree.type);
    case "number": return "number";
    case "array": return `[${tree.items.map(structureOf).join(",")}]`;
    case "object": return `{${tree.fields.map(({ name, tree: field }) => `${JSON.stringify(name)}:${structureOf(field)}`).sort().join(",")}}`;
  }
}

/** A parameter that is a pattern in the source has no name of its own. */
function identifier(name: string, position: number): string {
  return isIdentifier(name) ? name : `argument${position}`;
}

function propertyName(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

/** Whether a name can be that of an interface or a parameter. */
function isIdentifier(text: string): boolean {
  return /^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u.test(text) && !reservedWords.has(text);
}

/** Of modules, which are strict (ECMA-262, 12.7.2), and the names of TypeScript's own types. */
const reservedWords: ReadonlySet<string> = new Set(
  ("arguments await break case catch class const continue debugger default delete do else enum eval export extends false finally for " +
    "function if implements import in instanceof interface let new null package private protected public return static super switch " +
    "this throw true try typeof var void while with yield any unknown never object number string boolean symbol bigint undefined").split(" "),
);
