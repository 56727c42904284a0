/**
 * Formulas: sizes over the named dims, as programs carry them. Evaluating is for plans; solving is for a call that must
 * find N from a size which a formula like ["*", 2, "N"] gives.
 */

import type { Formula } from "./program.ts";

/** Sizes by name; a name without a size is not known yet. */
export type Sizes = Readonly<Record<string, number | undefined>>;

/** The value of a formula; throws a RangeError that names a dim without a size. */
export function evaluateFormula(formula: Formula, sizes: Sizes): number {
  if (typeof formula === "number") return formula;
  if (typeof formula === "string") {
    const size = sizes[formula];
    if (size === undefined) throw new RangeError(`the size of dim ${formula} is not known`);
    return size;
  }
  const [operation, ...operands] = formula;
  const values = operands.map((operand) => evaluateFormula(operand, sizes));
  if (operation === "+") return values.reduce((sum, value) => sum + value, 0);
  if (operation === "*") return values.reduce((product, value) => product * value, 1);
  const [left = 0, right = 0] = values;
  switch (operation) {
    case "floordiv": return Math.floor(left / right);
    case "mod": return left - right * Math.floor(left / right);
    case "min": return Math.min(left, right);
    case "max": return Math.max(left, right);
  }
}

/** The names without a size in a formula, each as often as it appears. */
export function unknownNames(formula: Formula, sizes: Sizes): readonly string[] {
  if (typeof formula === "number") return [];
  if (typeof formula === "string") return sizes[formula] === undefined ? [formula] : [];
  return formula.slice(1).flatMap((operand) => unknownNames(operand as Formula, sizes));
}

/**
 * The name and size that make a formula equal to `value`, when it has one unknown name, once, under sums and products
 * only. The size may be fractional or negative: then the value was not possible.
 */
export function solveFormula(formula: Formula, value: number, sizes: Sizes): readonly [name: string, size: number] | undefined {
  if (typeof formula === "number" || unknownNames(formula, sizes).length !== 1) return undefined;
  if (typeof formula === "string") return [formula, value];
  const [operation, ...operands] = formula;
  if (operation !== "+" && operation !== "*") return undefined;
  const unknown = operands.find((operand) => unknownNames(operand, sizes).length === 1);
  if (unknown === undefined) return undefined;
  const known = operands.filter((operand) => operand !== unknown);
  const rest = evaluateFormula([operation, ...known], sizes);
  if (operation === "*" && rest === 0) return undefined;
  return solveFormula(unknown, operation === "+" ? value - rest : value / rest, sizes);
}

/** Infix text for messages: `2*N+1`, `floordiv(N,4)`. */
export function printFormula(formula: Formula): string {
  if (typeof formula !== "object") return String(formula);
  const [operation, ...operands] = formula;
  const texts = operands.map(printFormula);
  if (operation === "+") return texts.join("+").replaceAll("+-", "-");
  if (operation === "*") return operands.map((operand, i) => (isSum(operand) ? `(${texts[i]})` : texts[i])).join("*");
  return `${operation}(${texts.join(",")})`;
}

function isSum(formula: Formula): boolean {
  return typeof formula === "object" && formula[0] === "+";
}
