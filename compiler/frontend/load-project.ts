/**
 * The user's files, parsed and type-checked: what the rest of the frontend asks for files, modules and the checker.
 *
 * The options are those of the nearest tsconfig.json. `tsdlc` is the package that this compiler belongs to, wherever
 * the user's folder is, so that a bare folder with one file works. The library's own source is only parsed, never
 * checked: it was checked when the package was made.
 */

import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Project, ts } from "ts-morph";
import type { Diagnostic } from "../diagnostics.ts";

export interface SourceProject {
  readonly checker: ts.TypeChecker;
  readonly entries: readonly ts.SourceFile[];
  /** What TypeScript has to say about the user's files, or about tsconfig.json. */
  readonly diagnostics: readonly Diagnostic[];
  /** The source of a module, "library" source included; undefined when it has none (a declaration, plain JavaScript). */
  resolve(specifier: string, from: ts.SourceFile): ts.SourceFile | undefined;
  /** The file of the library with this path below lib/. */
  libraryFile(relative: string): ts.SourceFile;
  isUserFile(file: ts.SourceFile): boolean;
  /** How messages call a file: relative to the working directory, or `tsdlc/lib/nn.ts`. */
  displayName(file: ts.SourceFile): string;
  /** Whether a declaration is the library's or the runtime's, in whatever form it is installed. */
  isLibraryDeclaration(declaration: ts.Node): boolean;
  /** Whether a field that is declared without a value exists from the start (useDefineForClassFields). */
  readonly definesClassFields: boolean;
  /** Every user file that was read, tsconfig.json included, as an absolute path. */
  readonly files: readonly string[];
}

const packageRoot = findPackageRoot(path.dirname(fileURLToPath(import.meta.url)));
const runsFromSource = import.meta.url.endsWith(".ts");
const libraryRoot = path.join(packageRoot, "lib");

/** Parsed files of the library, shared by all projects of the process. */
const libraryFiles = new Map<string, ts.SourceFile>();

/** Projects by their options: a second compilation re-uses what the first has parsed of declaration files. */
const projects = new Map<string, Project>();

export function loadProject(entryFiles: readonly string[], workingDirectory: string): SourceProject {
  const entryPaths = entryFiles.map((file) => path.resolve(workingDirectory, file));
  const lean = openProgram(entryPaths, "lean");
  // Declarations of Node and the DOM cost more to load than a model, and few models mention them: they are read when
  // the program has faults without them.
  const { program, diagnostics, options, files, configFile } = lean.diagnostics.length > 0 ? openProgram(entryPaths, "full") : lean;

  const isUserFile = (file: ts.SourceFile): boolean => !libraryFiles.has(file.fileName);
  const cache = ts.createModuleResolutionCache(workingDirectory, (name) => name, options);
  const libraryFile = (relative: string): ts.SourceFile => parseLibraryFile(path.join(libraryRoot, relative));

  return {
    checker: program.getTypeChecker(),
    entries: entryPaths.map((file) => {
      const source = program.getSourceFile(file);
      if (source === undefined) throw new Error(`${file} was not loaded`);
      return source;
    }),
    diagnostics,
    resolve(specifier, from) {
      if (libraryFiles.has(from.fileName)) {
        return specifier.startsWith(".") ? parseLibraryFile(path.resolve(path.dirname(from.fileName), specifier)) : undefined;
      }
      if (specifier === "tsdlc") return libraryFile("index.ts");
      if (specifier.startsWith("tsdlc/")) return undefined;
      const resolved = ts.resolveModuleName(specifier, from.fileName, options, ts.sys, cache).resolvedModule;
      if (resolved === undefined || resolved.isExternalLibraryImport === true) return undefined;
      return /\.([cm]?tsx?|json)$/.test(resolved.resolvedFileName) && !/\.d\.[cm]?ts$/.test(resolved.resolvedFileName)
        ? program.getSourceFile(resolved.resolvedFileName)
        : undefined;
    },
    libraryFile,
    isUserFile,
    displayName(file) {
      if (libraryFiles.has(file.fileName)) return path.posix.join("tsdlc/lib", toPosix(path.relative(libraryRoot, file.fileName)));
      return displayPath(file.fileName, workingDirectory);
    },
    isLibraryDeclaration,
    definesClassFields: options.useDefineForClassFields ?? (options.target ?? ts.ScriptTarget.ES5) >= ts.ScriptTarget.ES2022,
    files: [...files.map((file) => path.normalize(file.fileName)), ...(configFile === undefined ? [] : [path.normalize(configFile)])],
  };

  function openProgram(paths: readonly string[], extent: "lean" | "full") {
    const { options: compilerOptions, configFile, faults } = readOptions(paths, extent);
    const key = JSON.stringify(compilerOptions);
    const project = projects.get(key) ?? new Project({ compilerOptions, skipAddingFilesFromTsConfig: true });
    projects.set(key, project);
    for (const source of project.getSourceFiles()) if (isOwnFile(source.compilerNode)) source.refreshFromFileSystemSync();
    for (const file of paths) project.addSourceFileAtPath(file);
    const opened = project.getProgram().compilerObject;
    const reached = reachableFrom(opened, paths);
    // Under options that could not be read, what is wrong with the files is guesswork.
    const found = faults.length > 0 ? faults : checkProgram(opened, reached);
    return { program: opened, options: compilerOptions, configFile, files: reached, diagnostics: found.map((fault) => fromChecker(fault, workingDirectory)) };
  }
}

interface ProjectOptions {
  readonly options: ts.CompilerOptions;
  readonly configFile: string | undefined;
  /** Of the configuration itself. */
  readonly faults: readonly ts.Diagnostic[];
}

const withoutConfig: ts.CompilerOptions = { strict: true, target: ts.ScriptTarget.ES2023, allowImportingTsExtensions: true, resolveJsonModule: true };

/** Options that decide meaning are the user's; those that decide output, and the cost of loading, are ours. */
function readOptions(entryPaths: readonly string[], extent: "lean" | "full"): ProjectOptions {
  const folder = path.dirname(entryPaths[0] ?? ".");
  const configFile = ts.findConfigFile(folder, ts.sys.fileExists);
  const { own, faults } = configFile === undefined ? { own: withoutConfig, faults: [] } : readConfig(configFile);
  const options: ts.CompilerOptions = {
    ...own,
    noEmit: true,
    skipLibCheck: true,
    skipDefaultLibCheck: true,
    declaration: false,
    declarationMap: false,
    composite: false,
    incremental: false,
  };
  // Node's rules make a file CommonJS or not by the package.json above it, which says nothing about a model: it is
  // compiled, never loaded. Bundler resolution finds whatever they find.
  if (own.module === undefined || own.module >= ts.ModuleKind.Node16) {
    options.module = ts.ModuleKind.ESNext;
    options.moduleResolution = ts.ModuleResolutionKind.Bundler;
    options.moduleDetection = ts.ModuleDetectionKind.Force;
  }
  if (extent === "lean") {
    options.types = [];
    options.lib = (own.lib ?? ["lib.es2023.d.ts"]).filter((name) => !/dom|webworker|scripthost/i.test(name));
    if (options.lib.length === 0) options.lib = ["lib.es2023.d.ts"];
  } else if (own.lib === undefined) {
    options.lib = ["lib.es2023.d.ts", "lib.dom.d.ts"];
    options.types = own.types ?? ["*"];
  }
  if (runsFromSource || !isInstalled(folder)) {
    const entry = (folder: string): string[] => [path.join(runsFromSource ? libraryRoot : path.join(packageRoot, "dist/lib"), folder, runsFromSource ? "index.ts" : "index.d.ts")];
    options.paths = { ...own.paths, tsdlc: entry(""), "tsdlc/data": entry("data"), "tsdlc/files": entry("files") };
    if (runsFromSource) options.customConditions = [...(own.customConditions ?? []), "source"];
  }
  return { options, configFile, faults };
}

/** What a tsconfig.json says, and what is wrong with it or with one that it extends. */
function readConfig(file: string): { own: ts.CompilerOptions; faults: readonly ts.Diagnostic[] } {
  const { config, error } = ts.readConfigFile(file, ts.sys.readFile);
  if (error !== undefined) return { own: {}, faults: [error] };
  const { options, errors } = ts.parseJsonConfigFileContent(config, { ...ts.sys, readDirectory: () => [] }, path.dirname(file));
  return { own: options, faults: errors.filter(({ code }) => isSyntaxError(code) || missingConfig.has(code)) };
}

/** TypeScript numbers what its parser says from 1000. The rest is of no concern here: that the file names no sources, or has options of another version. */
function isSyntaxError(code: number): boolean {
  return code >= 1000 && code < 2000;
}

/** "Cannot read file" and "File not found", of `extends`. */
const missingConfig: ReadonlySet<number> = new Set([5083, 6053]);

function isInstalled(folder: string): boolean {
  for (let at = folder; ; at = path.dirname(at)) {
    if (existsSync(path.join(at, "node_modules/tsdlc/package.json"))) return true;
    if (at === path.dirname(at)) return false;
  }
}

function checkProgram(program: ts.Program, files: readonly ts.SourceFile[]): readonly ts.Diagnostic[] {
  const found = files.flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]);
  return found.filter(({ category }) => category === ts.DiagnosticCategory.Error);
}

/** The user's files that the entries reach by imports; a shared project may hold others. */
function reachableFrom(program: ts.Program, entryPaths: readonly string[]): readonly ts.SourceFile[] {
  const reached = new Set<ts.SourceFile>();
  const checker = program.getTypeChecker();
  const visit = (file: ts.SourceFile | undefined): void => {
    if (file === undefined || reached.has(file) || !isOwnFile(file)) return;
    reached.add(file);
    for (const statement of file.statements) {
      if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) continue;
      if (statement.moduleSpecifier === undefined) continue;
      visit(checker.getSymbolAtLocation(statement.moduleSpecifier)?.valueDeclaration?.getSourceFile());
    }
  };
  for (const file of entryPaths) visit(program.getSourceFile(file));
  return [...reached];
}

/** Neither a declaration file, nor a dependency, nor the library. */
function isOwnFile(file: ts.SourceFile): boolean {
  return !file.isDeclarationFile && !file.fileName.includes("/node_modules/") && !isInside(file.fileName, libraryRoot) && !isCompilerFile(file.fileName);
}

/** The sources of this package, its built declarations, or a copy that the user installed. */
function isLibraryDeclaration(declaration: ts.Node): boolean {
  const file = declaration.getSourceFile().fileName;
  const isOurs = ["lib", "dist/lib", "runtime"].some((folder) => isInside(file, path.join(packageRoot, folder)));
  return isOurs || /\/node_modules\/tsdlc(-runtime)?\//.test(file);
}

/** In the source tree, declarations of the library reach the other rooms. */
function isCompilerFile(file: string): boolean {
  return ["ir", "passes", "codegen", "runtime", "compiler"].some((room) => isInside(file, path.join(packageRoot, room)));
}

function fromChecker(diagnostic: ts.Diagnostic, workingDirectory: string): Diagnostic {
  const { file, start } = diagnostic;
  const [message = "", ...notes] = ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n").split("\n");
  const labels = [];
  if (file !== undefined && start !== undefined) {
    const { line, character } = file.getLineAndCharacterOfPosition(start);
    const length = Math.max(1, Math.min(start + (diagnostic.length ?? 1), file.getLineEndOfPosition(start)) - start);
    labels.push({ span: { file: displayPath(file.fileName, workingDirectory), line: line + 1, column: character + 1, length }, text: "" });
  }
  return { code: `TS${diagnostic.code}`, message, labels, notes: notes.map((note) => note.trim()), help: undefined };
}

function displayPath(file: string, workingDirectory: string): string {
  return toPosix(path.relative(workingDirectory, file));
}

function parseLibraryFile(file: string): ts.SourceFile {
  const present = libraryFiles.get(file);
  if (present !== undefined) return present;
  const parsed = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.ESNext, true);
  libraryFiles.set(file, parsed);
  return parsed;
}

function findPackageRoot(folder: string): string {
  for (let at = folder; ; at = path.dirname(at)) {
    const manifest = path.join(at, "package.json");
    if (existsSync(manifest) && (JSON.parse(readFileSync(manifest, "utf8")) as { name?: string }).name === "tsdlc") return at;
    if (at === path.dirname(at)) throw new Error(`no package.json of tsdlc above ${folder}`);
  }
}

function isInside(file: string, folder: string): boolean {
  const relative = path.relative(folder, file);
  return relative !== "" && !relative.startsWith("..") && !path.isAbsolute(relative);
}

function toPosix(file: string): string {
  return file.split(path.sep).join("/");
}
