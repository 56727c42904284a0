/** Spellings that languages with the syntax of C share. */

import type { Spelling } from "./target.ts";

/** An operator between its operands; in C it means the same for scalars and vectors. */
export function infix(operator: string): Spelling {
  return ({ operands: [left, right] }) => `${left} ${operator} ${right}`;
}

/** Lines one level deeper; a line for the preprocessor stays where it is. */
export function indent(lines: readonly string[]): readonly string[] {
  return lines.map((line) => (line.startsWith("#") ? line : `  ${line}`));
}

export function branch(condition: string, then: readonly string[], otherwise: readonly string[]): readonly string[] {
  return [`if (${condition}) {`, ...indent(then), ...(otherwise.length > 0 ? ["} else {", ...indent(otherwise)] : []), "}"];
}
