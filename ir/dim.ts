/**
 * Dims: sizes of axes, a number or an expression over named dims.
 *
 * An expression is kept in one normal form, a sum of products of atoms with integer coefficients, so that two
 * expressions that are equal as polynomials are equal as text. Atoms are names and the four operations that
 * polynomials do not have: floordiv, mod, min and max. All functions here return the normal form.
 */

export type Dim = number | DimExpression;

export interface DimExpression {
  readonly terms: readonly Term[];
  /** The canonical text; two expressions are the same dim exactly when their keys are equal. */
  readonly key: string;
}

interface Term {
  readonly coefficient: number;
  /** Sorted by text; a power is a repeated atom; empty for the constant term. */
  readonly atoms: readonly Atom[];
}

type Atom =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: AtomOperation; readonly left: Dim; readonly right: Dim };

export type AtomOperation = "floordiv" | "mod" | "min" | "max";

export function namedDim(name: string): Dim {
  if (!/^[A-Za-z_][A-Za-z_0-9]*$/.test(name)) throw new RangeError(`"${name}" is not a name for a dim`);
  return fromTerms([{ coefficient: 1, atoms: [{ kind: "name", name }] }]);
}

export function addDims(...dims: readonly Dim[]): Dim {
  return fromTerms(dims.flatMap(termsOf));
}

export function subDims(left: Dim, right: Dim): Dim {
  return addDims(left, mulDims(-1, right));
}

export function mulDims(...dims: readonly Dim[]): Dim {
  let product: readonly Term[] = [{ coefficient: 1, atoms: [] }];
  for (const dim of dims) {
    product = product.flatMap((left) =>
      termsOf(dim).map((right) => ({
        coefficient: left.coefficient * right.coefficient,
        atoms: [...left.atoms, ...right.atoms],
      })),
    );
  }
  return fromTerms(product);
}

/** floor(left / right); exact division of every term is simplified: floordiv(6*N, 2) is 3*N. */
export function floorDivDims(left: Dim, right: Dim): Dim {
  if (right === 1) return left;
  if (sameDim(left, right)) return 1;
  if (typeof left === "number" && typeof right === "number") return Math.floor(left / right);
  const divisor = termsOf(right);
  const single = divisor.length === 1 ? divisor[0] : undefined;
  if (single !== undefined) {
    const quotients = termsOf(left).map((term) => divideTerm(term, single));
    if (quotients.every((term) => term !== undefined)) return fromTerms(quotients);
  }
  return atomDim("floordiv", left, right);
}

/** left - right * floor(left / right). */
export function modDims(left: Dim, right: Dim): Dim {
  const quotient = floorDivDims(left, right);
  if (typeof quotient === "number" || !hasAtom(quotient, "floordiv")) return subDims(left, mulDims(quotient, right));
  return atomDim("mod", left, right);
}

export function minDims(left: Dim, right: Dim): Dim {
  if (sameDim(left, right)) return left;
  if (typeof left === "number" && typeof right === "number") return Math.min(left, right);
  return atomDim("min", left, right);
}

export function maxDims(left: Dim, right: Dim): Dim {
  if (sameDim(left, right)) return left;
  if (typeof left === "number" && typeof right === "number") return Math.max(left, right);
  return atomDim("max", left, right);
}

export function ceilDivDims(left: Dim, right: number): Dim {
  return floorDivDims(addDims(left, right - 1), right);
}

export function sameDim(left: Dim, right: Dim): boolean {
  return typeof left === "number" || typeof right === "number" ? left === right : left.key === right.key;
}

export function sameShape(left: readonly Dim[], right: readonly Dim[]): boolean {
  return left.length === right.length && left.every((dim, axis) => sameDim(dim, right[axis] ?? -1));
}

/**
 * Whether a dim is 0 or more whatever the sizes of its names are. A quotient that is taken away is at most what it
 * divides, so that half of an axis is inside of it. False also where it is only not seen.
 */
export function isNeverNegative(dim: Dim): boolean {
  const lost = termsOf(dim).filter(({ coefficient }) => coefficient < 0);
  if (lost.length === 0) return termsOf(dim).every(({ atoms }) => atoms.every(isAtomNeverNegative));
  const raised = addDims(dim, ...lost.map(({ coefficient, atoms: [atom, ...others] }) =>
    atom?.kind === "floordiv" && others.length === 0 && isCount(atom.right) && isNeverNegative(atom.left)
      ? mulDims(coefficient, subDims(atom.left, atomDim(atom.kind, atom.left, atom.right)))
      : 0));
  return !sameDim(raised, dim) && isNeverNegative(raised);
}

function isAtomNeverNegative(atom: Atom): boolean {
  switch (atom.kind) {
    case "name": return true;
    case "floordiv": return isNeverNegative(atom.left) && isCount(atom.right);
    case "mod": return isCount(atom.right);
    case "min": return isNeverNegative(atom.left) && isNeverNegative(atom.right);
    case "max": return isNeverNegative(atom.left) || isNeverNegative(atom.right);
  }
}

function isCount(dim: Dim): boolean {
  return typeof dim === "number" && dim > 0;
}

/** What divides a dim whatever the sizes of its names are: the greatest such number that is seen, and 0 of 0. */
export function divisorOfDim(dim: Dim): number {
  return termsOf(dim).reduce((divisor, { coefficient }) => greatestCommonDivisor(divisor, coefficient), 0);
}

/** Of 0 and a number it is that number. */
export function greatestCommonDivisor(left: number, right: number): number {
  return right === 0 ? Math.abs(left) : greatestCommonDivisor(right, left % right);
}

export function elementCount(shape: readonly Dim[]): Dim {
  return mulDims(1, ...shape);
}

export function printDim(dim: Dim): string {
  return typeof dim === "number" ? String(dim) : dim.key;
}

export function isDim(value: unknown): value is Dim {
  return typeof value === "number" || (typeof value === "object" && value !== null && "terms" in value);
}

/** The value of a dim when each name has the size given; throws a RangeError that names a missing one. */
export function evaluateDim(dim: Dim, sizes: Readonly<Record<string, number>>): number {
  if (typeof dim === "number") return dim;
  let sum = 0;
  for (const term of dim.terms) {
    let product = term.coefficient;
    for (const atom of term.atoms) product *= evaluateAtom(atom, sizes);
    sum += product;
  }
  return sum;
}

/** Replaces names by dims. */
export function substituteDim(dim: Dim, replacements: Readonly<Record<string, Dim>>): Dim {
  return mapAtoms(dim, (name) => replacements[name] ?? namedDim(name));
}

/** The names a dim mentions, each once, in order of appearance. */
export function namesOfDim(dim: Dim): readonly string[] {
  const names = new Set<string>();
  mapAtoms(dim, (name) => (names.add(name), 1));
  return [...names];
}

/** Rebuilds a dim bottom-up with another algebra; how a dim becomes C text or a formula of the Program. */
export function foldDim<T>(
  dim: Dim,
  algebra: {
    constant(value: number): T;
    name(name: string): T;
    sum(parts: readonly T[]): T;
    product(parts: readonly T[]): T;
    operation(operation: AtomOperation, left: T, right: T): T;
  },
): T {
  const parts = termsOf(dim).map((term) => {
    const factors = term.atoms.map((atom) =>
      atom.kind === "name"
        ? algebra.name(atom.name)
        : algebra.operation(atom.kind, foldDim(atom.left, algebra), foldDim(atom.right, algebra)),
    );
    if (term.coefficient !== 1 || factors.length === 0) factors.push(algebra.constant(term.coefficient));
    const only = factors[0];
    return factors.length === 1 && only !== undefined ? only : algebra.product(factors);
  });
  const first = parts[0];
  if (first === undefined) return algebra.constant(0);
  return parts.length === 1 ? first : algebra.sum(parts);
}

/** Parses the canonical text and any expression of names, integers, + - * ( ) and the four functions. */
export function parseDim(text: string): Dim {
  const tokens = text.match(/[A-Za-z_][A-Za-z_0-9]*|\d+|\S/g) ?? [];
  let at = 0;
  const expect = (token: string): void => {
    if (tokens[at] !== token) throw new SyntaxError(`dim "${text}": expected "${token}", found "${tokens[at] ?? "the end"}"`);
    at++;
  };
  const parseAtom = (): Dim => {
    const token = tokens[at++];
    if (token === undefined) throw new SyntaxError(`dim "${text}" ends too early`);
    if (/^\d/.test(token)) return Number(token);
    if (token === "-") return mulDims(-1, parseAtom());
    if (token === "(") {
      const inner = parseSum();
      expect(")");
      return inner;
    }
    if (!/^[A-Za-z_]/.test(token)) throw new SyntaxError(`dim "${text}": unexpected "${token}"`);
    if (tokens[at] !== "(") return namedDim(token);
    expect("(");
    const left = parseSum();
    expect(",");
    const right = parseSum();
    expect(")");
    switch (token) {
      case "floordiv": return floorDivDims(left, right);
      case "mod": return modDims(left, right);
      case "min": return minDims(left, right);
      case "max": return maxDims(left, right);
      default: throw new SyntaxError(`dim "${text}": there is no function "${token}"`);
    }
  };
  const parseProduct = (): Dim => {
    let product = parseAtom();
    while (tokens[at] === "*") {
      at++;
      product = mulDims(product, parseAtom());
    }
    return product;
  };
  const parseSum = (): Dim => {
    let sum = parseProduct();
    while (tokens[at] === "+" || tokens[at] === "-") {
      const sign = tokens[at++] === "-" ? -1 : 1;
      sum = addDims(sum, mulDims(sign, parseProduct()));
    }
    return sum;
  };
  const dim = parseSum();
  if (at < tokens.length) throw new SyntaxError(`dim "${text}": unexpected "${tokens[at]}"`);
  return dim;
}

function termsOf(dim: Dim): readonly Term[] {
  if (typeof dim === "number") return dim === 0 ? [] : [{ coefficient: dim, atoms: [] }];
  return dim.terms;
}

/** The normal form: like terms collected, zeros dropped, longer products first, the constant last. */
function fromTerms(terms: readonly Term[]): Dim {
  const collected = new Map<string, { coefficient: number; atoms: readonly Atom[] }>();
  for (const term of terms) {
    const atoms = [...term.atoms].sort((a, b) => compareText(printAtom(a), printAtom(b)));
    const key = atoms.map(printAtom).join("*");
    const present = collected.get(key);
    if (present === undefined) collected.set(key, { coefficient: term.coefficient, atoms });
    else present.coefficient += term.coefficient;
  }
  const kept = [...collected.entries()].filter(([, term]) => term.coefficient !== 0);
  kept.sort(([a, left], [b, right]) => right.atoms.length - left.atoms.length || compareText(a, b));
  const only = kept[0];
  if (only === undefined) return 0;
  if (kept.length === 1 && only[1].atoms.length === 0) return only[1].coefficient;
  const key = kept
    .map(([atoms, { coefficient }], position) => {
      const sign = coefficient < 0 ? "-" : position > 0 ? "+" : "";
      const magnitude = Math.abs(coefficient);
      return sign + (atoms === "" ? String(magnitude) : magnitude === 1 ? atoms : `${atoms}*${magnitude}`);
    })
    .join("");
  return { terms: kept.map(([, term]) => term), key };
}

function atomDim(kind: AtomOperation, left: Dim, right: Dim): Dim {
  return fromTerms([{ coefficient: 1, atoms: [{ kind, left, right }] }]);
}

function printAtom(atom: Atom): string {
  return atom.kind === "name" ? atom.name : `${atom.kind}(${printDim(atom.left)},${printDim(atom.right)})`;
}

function hasAtom(dim: DimExpression, kind: AtomOperation): boolean {
  return dim.terms.some((term) => term.atoms.some((atom) => atom.kind === kind));
}

function divideTerm(term: Term, divisor: Term): Term | undefined {
  if (term.coefficient % divisor.coefficient !== 0) return undefined;
  const remaining = [...term.atoms];
  for (const atom of divisor.atoms) {
    const position = remaining.findIndex((candidate) => printAtom(candidate) === printAtom(atom));
    if (position < 0) return undefined;
    remaining.splice(position, 1);
  }
  return { coefficient: term.coefficient / divisor.coefficient, atoms: remaining };
}

function evaluateAtom(atom: Atom, sizes: Readonly<Record<string, number>>): number {
  if (atom.kind === "name") {
    const size = sizes[atom.name];
    if (size === undefined) throw new RangeError(`the size of dim ${atom.name} is not known here`);
    return size;
  }
  const left = evaluateDim(atom.left, sizes);
  const right = evaluateDim(atom.right, sizes);
  switch (atom.kind) {
    case "floordiv": return Math.floor(left / right);
    case "mod": return left - right * Math.floor(left / right);
    case "min": return Math.min(left, right);
    case "max": return Math.max(left, right);
  }
}

function mapAtoms(dim: Dim, replace: (name: string) => Dim): Dim {
  return foldDim<Dim>(dim, {
    constant: (value) => value,
    name: replace,
    sum: (parts) => addDims(...parts),
    product: (parts) => mulDims(...parts),
    operation: (operation, left, right) => {
      switch (operation) {
        case "floordiv": return floorDivDims(left, right);
        case "mod": return modDims(left, right);
        case "min": return minDims(left, right);
        case "max": return maxDims(left, right);
      }
    },
  });
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
