/**
 * The header of an .npy file (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): a magic string,
 * two bytes of version, its length, and a dictionary in Python's syntax, of which only what NumPy writes there is read:
 * strings, integers, True, False, None, tuples, lists and dictionaries.
 */

import { DataFormatError } from "tsdlc-runtime";
import { quote } from "./json.ts";

export interface NpyHeader {
  /** The dtype as NumPy spells it: "<f4". */
  readonly descr: string;
  /** The first axis is the one whose neighbours are neighbours in memory. */
  readonly isFortran: boolean;
  readonly shape: readonly number[];
  readonly dataStart: number;
}

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
/** NumPy reads no longer ones unless it is told to. */
const longestHeader = 65_536;
const mostAxes = 64;

/** Throws DataFormatError, beginning with `name`. */
export function readNpyHeader(bytes: Uint8Array, name: string): NpyHeader {
  if (magic.some((byte, i) => bytes[i] !== byte)) {
    const found = [...bytes.subarray(0, magic.length)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    throw new DataFormatError(`${name}: not an .npy file: it begins with ${found === "" ? "nothing" : found}, not with 93 4e 55 4d 50 59 ("\\x93NUMPY")`);
  }
  const [major, minor] = [bytes[6], bytes[7]];
  if (major === undefined || minor === undefined || major < 1 || major > 3 || minor !== 0) {
    throw new DataFormatError(`${name}: version ${major ?? "(none)"}.${minor ?? "(none)"} of the .npy format is not known: there are 1.0, 2.0 and 3.0`);
  }
  const start = major === 1 ? 10 : 12;
  if (bytes.length < start) throw new DataFormatError(`${name}: truncated: the length of the header ends at byte ${start}, and there are ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > longestHeader) throw new DataFormatError(`${name}: damaged: the header would have ${length} bytes, and no array has a header of more than ${longestHeader}`);
  const dataStart = start + length;
  if (dataStart > bytes.length) throw new DataFormatError(`${name}: truncated: the header ends at byte ${dataStart}, and there are ${bytes.length} bytes`);
  const fields = readDictionary(decodeText(bytes.subarray(start, dataStart), major, name), name);
  return { ...interpret(fields, name), dataStart };
}

function decodeText(bytes: Uint8Array, major: number, name: string): string {
  try {
    return new TextDecoder(major === 3 ? "utf-8" : "latin1", { fatal: true }).decode(bytes);
  } catch {
    throw new DataFormatError(`${name}: the header is not UTF-8`);
  }
}

function interpret(fields: ReadonlyMap<string, Literal>, name: string): Omit<NpyHeader, "dataStart"> {
  const [descr, order, shape] = [fields.get("descr"), fields.get("fortran_order"), fields.get("shape")];
  if (fields.size !== 3 || descr === undefined || typeof order !== "boolean" || !Array.isArray(shape)) {
    throw new DataFormatError(`${name}: the header must say descr, fortran_order (True or False) and shape (a tuple) and nothing else; it says ${[...fields.keys()].map(quote).join(", ") || "nothing"}`);
  }
  if (typeof descr !== "string") throw new DataFormatError(`${name}: an array of records (its dtype is a list of fields), which no tensor here can hold: save each field as an array of its own`);
  if (!isShape(shape)) throw new DataFormatError(`${name}: the shape must be sizes, whole numbers from 0 to 2^53`);
  if (shape.length > mostAxes) throw new DataFormatError(`${name}: the array has ${shape.length} axes, and NumPy has none of more than ${mostAxes}`);
  return { descr, isFortran: order, shape };
}

function isShape(items: readonly Literal[]): items is number[] {
  return items.every((size) => Number.isSafeInteger(size) && (size as number) >= 0);
}

/* ---------------------------------------------------------------- Python's syntax */

type Literal = string | number | boolean | null | readonly Literal[] | ReadonlyMap<string, Literal>;

/** Python 2 wrote long integers with an L. */
const token = /\s*(?:(?<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?<number>-?\d+)L?|(?<word>[A-Za-z_]+)|(?<mark>[{}()[\],:])|(?<end>$))/suy;
const deepest = 16;

function readDictionary(text: string, name: string): ReadonlyMap<string, Literal> {
  let at = 0;
  let current = "";
  let literal: Literal | undefined;
  const advance = (): void => {
    token.lastIndex = at;
    const found = token.exec(text);
    if (found === null) throw fault("something that is no literal");
    at = token.lastIndex;
    const { text: quoted, number, word } = found.groups ?? {};
    literal = quoted !== undefined ? quoted.slice(1, -1)
      : number !== undefined ? Number(number)
      : word === "True" ? true : word === "False" ? false : word === "None" ? null : undefined;
    current = found[0].trim();
  };
  const fault = (what: string): DataFormatError => new DataFormatError(`${name}: the header is no dictionary of Python: there is ${what} at character ${at}, in ${quote(text.slice(Math.max(0, at - 20), at + 20))}`);
  const take = (mark: string): void => {
    if (current !== mark) throw fault(`${current === "" ? "the end" : quote(current)} where ${mark} should be`);
    advance();
  };
  const readItems = (close: string, readItem: () => void): void => {
    while (current !== close) {
      readItem();
      if (current !== close) take(",");
    }
    advance();
  };
  const readValue = (depth: number): Literal => {
    if (depth > deepest) throw fault(`more than ${deepest} brackets in brackets`);
    if (literal !== undefined) {
      const value = literal;
      advance();
      return value;
    }
    const open = current;
    if (open !== "(" && open !== "[" && open !== "{") throw fault(open === "" ? "the end" : quote(open));
    advance();
    if (open === "{") {
      const fields = new Map<string, Literal>();
      readItems("}", () => {
        const key = literal;
        if (typeof key !== "string") throw fault("a key that is no string");
        if (fields.has(key)) throw fault(`the key ${quote(key)} for the second time`);
        advance();
        take(":");
        fields.set(key, readValue(depth + 1));
      });
      return fields;
    }
    const items: Literal[] = [];
    readItems(open === "(" ? ")" : "]", () => items.push(readValue(depth + 1)));
    return items;
  };
  advance();
  const value = readValue(0);
  if (current !== "" || !(value instanceof Map)) throw fault("something else");
  return value as ReadonlyMap<string, Literal>;
}
