/**
 * What a program must be before it is trusted: the right format and version, and no index that points nowhere.
 *
 * A package is a file that anybody may have written or cut; every later stage relies on the indexes being good.
 */

import { isDType } from "./dtype.ts";
import { PackageForeignError, PackageError, PackageVersionError } from "./errors.ts";
import { type BufferSpec, type Formula, type Program, programFormat, programVersion, type Step } from "./program.ts";
import { leavesOf, parameterLeaves } from "./tree.ts";

/** Throws unless an object says that it is of our format and version. `where` names it in the message. */
export function checkFormat(value: unknown, where: string): void {
  const { format, version, producer } = (typeof value === "object" && value !== null ? value : {}) as Readonly<Record<string, unknown>>;
  if (format !== programFormat) {
    throw new PackageForeignError(`${where} was not written by tsdlc: its format is ${JSON.stringify(format) ?? "missing"}, not "${programFormat}"`);
  }
  if (version === programVersion) return;
  const by = typeof producer === "string" ? ` (written by ${producer})` : "";
  const advice = typeof version === "number" && version > programVersion
    ? `update tsdlc-runtime: npm install tsdlc-runtime@latest`
    : `build the package again with the tsdlc that belongs to this tsdlc-runtime`;
  throw new PackageVersionError(`${where} has version ${JSON.stringify(version) ?? "none"} of the format${by}; this tsdlc-runtime reads version ${programVersion}: ${advice}`);
}

/**
 * Throws PackageError when an index of the program is out of range or a formula names no dim of it, saying which; and
 * when a part is missing or of another kind altogether.
 */
export function checkProgram(program: Program, where: string): void {
  checkFormat(program, where);
  try {
    checkParts(program, where);
  } catch (error) {
    if (error instanceof PackageError) throw error;
    throw new PackageError(`${where} is broken: a part of it has another form than version ${programVersion} says; build it again`, { cause: error });
  }
}

function checkParts(program: Program, where: string): void {
  const broken = (what: string): PackageError => new PackageError(`${where} is broken: ${what}; build it again`);
  const require = (index: number | undefined, count: number, what: string): void => {
    if (index === undefined || !Number.isInteger(index) || index < 0 || index >= count) throw broken(`there is no ${what} ${index}`);
  };
  for (const part of ["dims", "parameters", "guards", "buffers", "kernels", "steps", "resultBuffers", "mutations"] as const) {
    if (!Array.isArray(program[part])) throw broken(`it has no list of ${part}`);
  }
  const dims = new Set(program.dims.map(({ name }) => name));
  const checkFormula = (formula: Formula): void => {
    if (typeof formula === "string" && !dims.has(formula)) throw broken(`a formula uses ${formula}, which is no dim of it`);
    if (typeof formula === "object") (formula.slice(1) as readonly Formula[]).forEach(checkFormula);
  };
  for (const { grid, work } of program.kernels) [grid, work].forEach(checkFormula);
  for (const { left, right } of program.guards) [left, right].forEach(checkFormula);
  const leaves = parameterLeaves(program.parameters);
  for (const { shape } of [...leaves, ...leavesOf(program.result, 0, "")]) shape.forEach(checkFormula);
  const count = program.buffers.length;
  const { stacks = [] } = program;
  for (const { dtype, shape } of stacks) {
    if (!isDType(dtype)) throw broken(`a stack has the dtype ${JSON.stringify(dtype)}`);
    shape.forEach(checkFormula);
  }
  program.buffers.forEach((buffer, index) => checkBuffer(buffer, index));
  const results = leavesOf(program.result, 0, "").length;
  if (program.resultBuffers.length < results) throw broken(`${results} results have ${program.resultBuffers.length} buffers`);
  for (const index of program.resultBuffers) {
    require(index, count, "buffer");
    if (rootOf(index)?.role.kind === "temporary") throw broken(`result buffer ${index} is a temporary`);
  }
  for (const { result } of program.mutations) require(result, program.resultBuffers.length, "result");
  program.steps.forEach(checkStep);

  function checkBuffer({ dtype, role, shape }: BufferSpec, index: number): void {
    shape.forEach(checkFormula);
    if (!isDType(dtype)) throw broken(`buffer ${index} has the dtype ${JSON.stringify(dtype)}`);
    if (role.kind === "parameter") require(role.leaf, leaves.length, "parameter leaf");
    if (role.kind === "result" && role.reuses !== undefined) {
      require(role.reuses, leaves.length, "parameter leaf");
      if (program.parameters[leaves[role.reuses]?.parameter ?? -1]?.donated !== true) throw broken(`buffer ${index} reuses leaf ${role.reuses}, which is not donated`);
    }
    if (role.kind === "alias") require(role.of, index, "earlier buffer");
  }

  function rootOf(index: number): BufferSpec | undefined {
    const buffer = program.buffers[index];
    return buffer?.role.kind === "alias" ? rootOf(buffer.role.of) : buffer;
  }

  function checkStep(step: Step): void {
    switch (step.kind) {
      case "launch":
        require(step.kernel, program.kernels.length, "kernel");
        for (const buffer of step.buffers) require(buffer, count, "buffer");
        return;
      case "copy":
        require(step.from, count, "buffer");
        require(step.to, count, "buffer");
        return;
      case "push":
      case "pop":
        require(step.stack, stacks.length, "stack");
        require(step.buffer, count, "buffer");
        return;
      case "clear":
        require(step.stack, stacks.length, "stack");
        return;
      case "if":
        require(step.condition, count, "buffer");
        step.then.forEach(checkStep);
        step.otherwise.forEach(checkStep);
        return;
      case "repeat":
        if (!Number.isInteger(step.turns) || step.turns < 0) throw broken(`a step is repeated ${JSON.stringify(step.turns)} times`);
        step.body.forEach(checkStep);
        return;
      case "loop":
        require(step.condition, count, "buffer");
        step.head.forEach(checkStep);
        step.body.forEach(checkStep);
        return;
      default:
        throw broken(`there is no step of kind ${JSON.stringify((step as { kind?: unknown }).kind)}`);
    }
  }
}
