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
import { Node, Project, type SourceFile, SyntaxKind } from "ts-morph";

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
  "tsdlc-native": (file) => file === "runtime/addon.ts",
};

interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
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

  it("finds a wrong arrow of every kind", () => {
    const project = new Project({ useInMemoryFileSystem: true });
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
      const found = importsOf(project.createSourceFile(path, text));
      assert.deepEqual(found.map((one) => isAllowed(path, one)), [false], `${path}: ${text}`);
    }
    const right = importsOf(project.createSourceFile("codegen/c.ts", `import type { Program } from "tsdlc-runtime/program";`));
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

function sourceFiles(): readonly { readonly path: string; readonly source: SourceFile }[] {
  const project = new Project({ useInMemoryFileSystem: true });
  return Object.keys(rooms).flatMap((room) =>
    readdirSync(join(root, room), { recursive: true, encoding: "utf8" })
      .map((name) => `${room}/${name.split(sep).join("/")}`)
      .filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts") && !/\/(dist|node_modules)\//.test(path))
      .map((path) => ({ path, source: project.createSourceFile(path, readFileSync(join(root, path), "utf8")) })),
  );
}

function importsOf(source: SourceFile): readonly Import[] {
  const imports: Import[] = [];
  source.forEachDescendant((node) => {
    const line = node.getStartLineNumber();
    if (Node.isImportDeclaration(node)) {
      const named = node.getNamedImports();
      const typeOnly = node.isTypeOnly() || (named.length > 0 && named.every((one) => one.isTypeOnly()) && node.getDefaultImport() === undefined);
      imports.push({ specifier: node.getModuleSpecifierValue(), typeOnly, line });
    } else if (Node.isExportDeclaration(node)) {
      const specifier = node.getModuleSpecifierValue();
      if (specifier !== undefined) imports.push({ specifier, typeOnly: node.isTypeOnly(), line });
    } else if (Node.isImportTypeNode(node)) {
      imports.push({ specifier: node.getArgument().getText().slice(1, -1), typeOnly: true, line });
    } else if (Node.isCallExpression(node) && isModuleLoad(node.getExpression())) {
      const [argument] = node.getArguments();
      if (Node.isStringLiteral(argument)) imports.push({ specifier: argument.getLiteralValue(), typeOnly: false, line });
    }
  });
  return imports;
}

function isModuleLoad(callee: Node): boolean {
  return callee.isKind(SyntaxKind.ImportKeyword) || callee.getText() === "require";
}

/** Global names as they are written, with the member that is read from them: `process.env`, `Math.random`, `Date`. */
function membersOf(source: SourceFile): readonly { readonly name: string; readonly line: number }[] {
  return source.getDescendantsOfKind(SyntaxKind.Identifier).flatMap((identifier) => {
    const parent = identifier.getParentOrThrow();
    const isMemberName = (Node.isPropertyAccessExpression(parent) && parent.getNameNode() === identifier) || Node.isPropertyNamed(parent) && parent.getNameNode() === identifier;
    if (isMemberName) return [];
    const line = identifier.getStartLineNumber();
    if (Node.isPropertyAccessExpression(parent)) return [{ name: `${identifier.getText()}.${parent.getName()}`, line }];
    // `const { env } = process` reads a member too.
    if (Node.isVariableDeclaration(parent) && parent.getInitializer() === identifier && Node.isObjectBindingPattern(parent.getNameNode())) {
      return (parent.getNameNode() as import("ts-morph").ObjectBindingPattern).getElements()
        .map((element) => ({ name: `${identifier.getText()}.${element.getPropertyNameNode()?.getText() ?? element.getName()}`, line }));
    }
    return [{ name: identifier.getText(), line }];
  });
}
