/**
 * Rooms, and who may enter: the table of ARCHITECTURE.md, checked against the imports of every source file.
 *
 * The imports are read by the TypeScript parser, so a word in a comment is not an import; a dynamic `import()` and an
 * inline `import("...")` type are. `import type` counts like any other, except where the table says "types".
 */

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative, resolve, sep } from "node:path";
import { ts } from "ts-morph";

interface Room {
  /** Rooms and packages whose values and types may be imported. */
  readonly imports: readonly string[];
  /** Specifiers of which only types may be imported. */
  readonly types?: readonly string[];
  /** Runs in a browser: no file, environment, clock or randomness. */
  readonly pure?: true;
}

/** An import is allowed if the room that it leads to, its package, or its whole specifier is listed. */
const rooms: Readonly<Record<string, Room>> = {
  ir: { imports: [], pure: true },
  passes: { imports: ["ir"], pure: true },
  codegen: { imports: ["ir"], types: ["tsdlc-runtime/program"], pure: true },
  runtime: { imports: ["node:*"] },
  lib: { imports: ["ir", "passes", "codegen", "tsdlc-runtime", "node:*"] },
  compiler: { imports: ["ir", "passes", "codegen", "lib", "tsdlc-runtime", "commander", "picocolors", "node:*"] },
};

/** What one place in the whole tree may import. */
const privileges: Readonly<Record<string, (file: string) => boolean>> = {
  "ts-morph": (file) => file.startsWith("compiler/frontend/"),
  unplugin: (file) => file.startsWith("compiler/bundlers/"),
  "tsdlc-native": (file) => file === "runtime/addon.ts",
  webgpu: (file) => file === "runtime/webgpu-node.ts",
};

interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
  readonly isDynamic: boolean;
  readonly line: number;
}

const root = resolve(import.meta.dirname, "..");

describe("layers", () => {
  const files = sourceFiles();

  it("every room has files", () => {
    for (const room of Object.keys(rooms)) assert.ok(files.some(({ path }) => roomOf(path) === room), `no source file in ${room}/`);
  });

  for (const room of Object.keys(rooms)) {
    it(`${room} imports only what it may`, () => {
      const faults = files.filter(({ path }) => roomOf(path) === room).flatMap(({ path, source }) =>
        importsOf(source).filter((found) => !isAllowed(path, found)).map(({ specifier, line }) => `${path}:${line} imports ${specifier}`),
      );
      assert.deepEqual(faults, []);
    });
  }

  it("reads process.env only in options.ts", () => {
    const faults = files.filter(({ path }) => !path.endsWith("/options.ts")).flatMap(({ path, source }) =>
      membersOf(source).filter(({ name }) => name === "process.env").map(({ line }) => `${path}:${line}`),
    );
    assert.deepEqual(faults, []);
  });

  it("keeps ir, passes and codegen free of clocks, randomness and the process", () => {
    const forbidden = /^(process\b|Date$|Date\.|Math\.random$|performance\b|crypto\b|globalThis\.(process|Date|performance|crypto))/;
    const faults = files.filter(({ path }) => rooms[roomOf(path)]?.pure).flatMap(({ path, source }) =>
      membersOf(source).filter(({ name }) => forbidden.test(name)).map(({ name, line }) => `${path}:${line} uses ${name}`),
    );
    assert.deepEqual(faults, []);
  });

  it("gives a browser nothing of Node", () => {
    const replacements = new Map([...replacedBy("runtime/package.json", "runtime/"), ...replacedBy("package.json", "")]);
    const bundled = new Set<string>();
    // A bundler follows dynamic imports too, and takes what package.json names; a page without one does neither.
    assert.deepEqual(follow("runtime/index.ts", bundled, { dynamic: true, replacements }), []);
    assert.ok(bundled.has("runtime/webgpu-device.ts"));
    assert.deepEqual(follow("runtime/index.ts", new Set(), { dynamic: false, replacements: new Map() }), []);
    const library = new Set<string>();
    assert.deepEqual(follow("lib/index.ts", library, { dynamic: true, replacements }), []);
    assert.ok(library.has("lib/eager/host-browser.ts") && library.has("runtime/library.ts") && library.has("passes/pipeline.ts"));

    /** What a bundler for browsers takes for a source file, by the `browser` of a package whose sources are in a folder. */
    function replacedBy(manifest: string, folder: string): readonly (readonly [string, string])[] {
      const { browser } = JSON.parse(readFileSync(join(root, manifest), "utf8")) as { browser: Readonly<Record<string, string>> };
      const sourceOf = (name: string): string => name.replace("./dist/", folder).replace(".js", ".ts");
      return Object.entries(browser).map(([name, other]) => [sourceOf(name), sourceOf(other)]);
    }

    function follow(name: string, reached: Set<string>, options: { readonly dynamic: boolean; readonly replacements: ReadonlyMap<string, string> }): readonly string[] {
      const path = options.replacements.get(name) ?? name;
      if (reached.has(path)) return [];
      reached.add(path);
      const source = files.find((file) => file.path === path)?.source;
      assert.ok(source, `no file ${path}`);
      return importsOf(source).filter(({ typeOnly, isDynamic }) => !typeOnly && (options.dynamic || !isDynamic)).flatMap(({ specifier, line }) => {
        if (specifier.startsWith(".")) return follow(relative(root, resolve(root, dirname(path), specifier)).split(sep).join("/"), reached, options);
        const entry = /^tsdlc-runtime(?:\/(library|program))?$/.exec(specifier);
        return entry === null ? [`${path}:${line} imports ${specifier}`] : follow(`runtime/${entry[1] ?? "index"}.ts`, reached, options);
      });
    }
  });

  it("gives a browser data and files without Node: its modules are asked for when a path is opened", () => {
    const faults = files.filter(({ path }) => /^lib\/(data|files)\//.test(path)).flatMap(({ path, source }) =>
      importsOf(source).filter(({ specifier, typeOnly }) => !typeOnly && specifier.startsWith("node:")).map(({ specifier, line }) => `${path}:${line} imports ${specifier}`),
    );
    assert.deepEqual(faults, []);
  });

  it("finds what is forbidden however it is spelled", () => {
    const names = (text: string): readonly string[] => membersOf(parse("a.ts", text)).map(({ name }) => name);
    for (const text of ["process.env.CC", "const { env } = process", "const { env: e } = process", `process["env"]`]) assert.ok(names(text).includes("process.env"), text);
    assert.ok(names("x = Math.random()").includes("Math.random"));
    assert.ok(names("new Date()").includes("Date"));
    assert.ok(!names("options.process, { Date: 1 }").some((name) => /^(process|Date)/.test(name)));
  });

  it("finds a wrong arrow of every kind", () => {
    const wrong: readonly (readonly [path: string, text: string])[] = [
      ["ir/a.ts", `import { f } from "../passes/fuse.ts";`],
      ["ir/b.ts", `import { readFileSync } from "node:fs";`],
      ["passes/a.ts", `export { f } from "../lib/tensor.ts";`],
      ["codegen/a.ts", `import { programVersion } from "tsdlc-runtime/program";`],
      ["codegen/b.ts", `export type T = import("tsdlc-runtime").Tensor;`],
      ["runtime/a.ts", `import type { Dim } from "../ir/dim.ts";`],
      ["runtime/b.ts", `const addon = await import("tsdlc-native");`],
      ["lib/a.ts", `import type { Node } from "ts-morph";`],
      ["compiler/a.ts", `import { Project } from "ts-morph";`],
      ["compiler/frontend/b.ts", `import { tensor } from "../../test/tensor.ts";`],
    ];
    for (const [path, text] of wrong) {
      const found = importsOf(parse(path, text));
      assert.deepEqual(found.map((one) => isAllowed(path, one)), [false], `${path}: ${text}`);
    }
    const right = importsOf(parse("codegen/c.ts", `import type { Program } from "tsdlc-runtime/program";`));
    assert.deepEqual(right.map((one) => isAllowed("codegen/c.ts", one)), [true]);
  });
});

function isAllowed(path: string, { specifier, typeOnly }: Import): boolean {
  const own = roomOf(path);
  const room = rooms[own];
  if (room === undefined) throw new RangeError(`${path} is in no room`);
  if (specifier.startsWith(".")) {
    const target = roomOf(relative(root, resolve(root, dirname(path), specifier)).split(sep).join("/"));
    return target === own || room.imports.includes(target);
  }
  const privileged = privileges[specifier];
  if (privileged !== undefined) return privileged(path);
  if (builtinModules.includes(specifier.replace(/^node:/, ""))) return specifier.startsWith("node:") && room.imports.includes("node:*");
  return room.imports.includes(packageOf(specifier)) || (typeOnly && (room.types ?? []).includes(specifier));
}

function packageOf(specifier: string): string {
  return specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}

function roomOf(path: string): string {
  return path.split("/")[0] ?? "";
}

function sourceFiles(): readonly { readonly path: string; readonly source: ts.SourceFile }[] {
  return Object.keys(rooms).flatMap((room) =>
    readdirSync(join(root, room), { recursive: true, encoding: "utf8" })
      .map((name) => `${room}/${name.split(sep).join("/")}`)
      .filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts") && !/\/(dist|node_modules)\//.test(path))
      .map((path) => ({ path, source: parse(path, readFileSync(join(root, path), "utf8")) })),
  );
}

function parse(path: string, text: string): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
}

function visit(node: ts.Node, each: (node: ts.Node) => void): void {
  each(node);
  ts.forEachChild(node, (child) => visit(child, each));
}

function lineOf(source: ts.SourceFile, node: ts.Node): number {
  return source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
}

function importsOf(source: ts.SourceFile): readonly Import[] {
  const imports: Import[] = [];
  visit(source, (node) => {
    const add = (specifier: ts.Node | undefined, typeOnly: boolean, isDynamic = false): void => {
      if (specifier !== undefined && ts.isStringLiteralLike(specifier)) imports.push({ specifier: specifier.text, typeOnly, isDynamic, line: lineOf(source, node) });
    };
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypeImport(node.importClause));
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isImportTypeNode(node)) add(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined, true);
    else if (ts.isCallExpression(node) && isModuleLoad(node.expression)) add(node.arguments[0], false, true);
  });
  return imports;
}

function isTypeImport(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false;
  if (clause.isTypeOnly) return true;
  const { name, namedBindings } = clause;
  return name === undefined && namedBindings !== undefined && ts.isNamedImports(namedBindings) &&
    namedBindings.elements.length > 0 && namedBindings.elements.every((one) => one.isTypeOnly);
}

function isModuleLoad(callee: ts.Node): boolean {
  return callee.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(callee) && callee.text === "require");
}

/** Names as they are written, with the member that is read from them: `process.env`, `Math.random`, `Date`. */
function membersOf(source: ts.SourceFile): readonly { readonly name: string; readonly line: number }[] {
  const found: { name: string; line: number }[] = [];
  visit(source, (node) => {
    if (!ts.isIdentifier(node) || isMemberName(node)) return;
    const { parent } = node;
    const add = (name: string): void => void found.push({ name, line: lineOf(source, node) });
    if (ts.isPropertyAccessExpression(parent)) add(`${node.text}.${parent.name.text}`);
    else if (ts.isElementAccessExpression(parent) && ts.isStringLiteralLike(parent.argumentExpression)) add(`${node.text}.${parent.argumentExpression.text}`);
    else if (ts.isVariableDeclaration(parent) && parent.initializer === node && ts.isObjectBindingPattern(parent.name)) {
      // `const { env } = process` reads a member too.
      for (const element of parent.name.elements) add(`${node.text}.${(element.propertyName ?? element.name).getText(source)}`);
    } else add(node.text);
  });
  return found;
}

/** The `b` of `a.b`, of `{ b: 1 }` and of a declared member: not a name that is looked up. */
function isMemberName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  return (ts.isPropertyAssignment(parent) || ts.isClassElement(parent) || ts.isTypeElement(parent) || ts.isBindingElement(parent)) && parent.name === node;
}
