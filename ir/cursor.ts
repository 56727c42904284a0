/**
 * The tokens of a program's text, and where the parser stands among them. Every error that the parser makes is made
 * here, from a position in the text, so that each has a line and a column.
 */

/** Text that is no program; lines and columns count from 1. */
export class ParseError extends Error {
  readonly line: number;
  readonly column: number;
  constructor(line: number, column: number, message: string) {
    super(`${line}:${column}: ${message}`);
    this.name = "ParseError";
    this.line = line;
    this.column = column;
  }
}

export interface Token {
  readonly kind: "word" | "value" | "function" | "string" | "number" | "location" | "mark" | "end";
  /** Without the percent sign, the at sign or the quotes. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** The first on its line, or after a semicolon. */
  readonly isFirst: boolean;
}

const tokenForms: readonly (readonly [Token["kind"], RegExp])[] = [
  ["value", /%([\w$.[\]]+)/y],
  ["location", /@("(?:[^"\\\n]|\\.)*")/y],
  ["function", /@([\w$.]+)/y],
  ["string", /("(?:[^"\\\n]|\\.)*")/y],
  ["number", /(-?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|Infinity))/y],
  ["word", /([A-Za-z_$][\w$]*)/y],
  ["mark", /([{}()[\]:,=])/y],
];

export class Cursor {
  readonly #text: string;
  #token: Token;

  constructor(text: string) {
    this.#text = text;
    this.#token = this.#scan(0);
  }

  peek(): Token {
    return this.#token;
  }

  take(): Token {
    const token = this.#token;
    this.#token = this.#scan(token.end);
    return token;
  }

  is(text: string): boolean {
    return (this.#token.kind === "mark" || this.#token.kind === "word") && this.#token.text === text;
  }

  /** Whether a brace holds the keys of attrs; regions begin with a label instead. */
  opensAttrs(): boolean {
    return this.is("{") && /^\s*["}]/.test(this.#text.slice(this.#token.end));
  }

  accept(text: string): boolean {
    if (!this.is(text)) return false;
    this.take();
    return true;
  }

  expect(text: string, why = ""): void {
    if (!this.accept(text)) throw this.fault(`"${text}"${why}`);
  }

  expectKind(kind: Token["kind"], what: string): string {
    if (this.#token.kind !== kind) throw this.fault(what);
    return this.take().text;
  }

  /** The text from the token on, up to the bracket that closes the one it opens; the token after it is next. */
  takeBracketed(): { readonly items: readonly string[]; readonly start: number } {
    const start = this.#token.start + 1;
    this.expect("[");
    const items: string[] = [];
    let depth = 0;
    let itemStart = start;
    for (let at = start; at < this.#text.length; at++) {
      const character = this.#text[at];
      if (character === "\n") break;
      if (character === "(") depth++;
      if (character === ")") depth--;
      if (depth > 0 || (character !== "," && character !== "]")) continue;
      items.push(this.#text.slice(itemStart, at).trim());
      itemStart = at + 1;
      if (character !== "]") continue;
      this.#token = this.#scan(at + 1);
      return { items: items.length === 1 && items[0] === "" ? [] : items, start };
    }
    throw this.errorAt(start - 1, `this "[" has no "]" on its line`);
  }

  fault(expected: string): ParseError {
    const { kind, start, end } = this.#token;
    const found = kind === "end" ? "the end of the text" : JSON.stringify(this.#text.slice(start, end));
    return this.errorAt(start, `expected ${expected}, found ${found}`);
  }

  errorAt(position: number, message: string): ParseError {
    const before = this.#text.slice(0, position).split("\n");
    return new ParseError(before.length, (before.at(-1)?.length ?? 0) + 1, message);
  }

  #scan(from: number): Token {
    const gap = /(?:\s|;|\/\/[^\n]*)*/y;
    gap.lastIndex = from;
    const skipped = gap.exec(this.#text)?.[0] ?? "";
    const start = from + skipped.length;
    const isFirst = from === 0 || /[\n;]/.test(skipped);
    if (start >= this.#text.length) return { kind: "end", text: "", start, end: start, isFirst };
    for (const [kind, pattern] of tokenForms) {
      pattern.lastIndex = start;
      const match = pattern.exec(this.#text);
      if (match?.[1] === undefined) continue;
      return { kind, text: unquote(match[1]), start, end: start + match[0].length, isFirst };
    }
    throw this.errorAt(start, `${JSON.stringify(this.#text[start])} begins nothing that can stand in a program`);
  }
}

function unquote(text: string): string {
  return text.startsWith('"') ? String(JSON.parse(text)) : text;
}
