/** Spellings that languages with the syntax of C share. */

import { type Dim, foldDim } from "../ir/dim.ts";
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

/** What languages do not spell alike in an index expression over dims. */
export interface DimWords {
  constant(value: number): string;
  name(name: string): string;
  min(left: string, right: string): string;
  max(left: string, right: string): string;
}

export function dimSpelling({ constant, name, min, max }: DimWords): (dim: Dim) => string {
  return (dim) => foldDim<string>(dim, {
    constant,
    name,
    sum: (parts) => `(${parts.join(" + ")})`,
    product: (parts) => `(${parts.join(" * ")})`,
    operation: (operation, left, right) => {
      switch (operation) {
        case "floordiv": return `(${left} / ${right})`;
        case "mod": return `(${left} % ${right})`;
        case "min": return min(left, right);
        case "max": return max(left, right);
      }
    },
  });
}
