/**
 * JSON that strangers wrote. JSON.parse takes the last of two equal keys and says nothing; here they are a fault, since
 * two readers of one file must not see two files. Nothing recurses, so that no depth of brackets ends the stack.
 */

import { DataFormatError } from "tsdlc-runtime";

/** The value of a JSON text in UTF-8. Throws DataFormatError, beginning with `place`. */
export function parseJsonBytes(bytes: Uint8Array, place: string): unknown {
  let text: string;
  try {
    // A mark of byte order is no JSON, so it must stay in the text to be refused.
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new DataFormatError(`${place} is not UTF-8`);
  }
  return parseJson(text, place);
}

export function parseJson(text: string, place: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new DataFormatError(`${place} is not JSON (${error instanceof Error ? error.message : String(error)})`);
  }
  const twice = repeatedKey(text);
  if (twice !== undefined) throw new DataFormatError(`${place} has the key ${quote(twice)} twice in one object`);
  return value;
}

/** A name in a message: as a JSON string, and shortened, since names in files may be of any length. */
export function quote(name: string): string {
  return name.length <= 100 ? JSON.stringify(name) : `${JSON.stringify(name.slice(0, 100))}... (${name.length} characters)`;
}

/** Half of a pair of UTF-16, which no UTF-8 can hold. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

/** A key that stands twice in one object of a text which is known to be JSON. */
function repeatedKey(text: string): string | undefined {
  /** What encloses the place: the keys of an object so far, or undefined for an array. */
  const enclosing: (Set<string> | undefined)[] = [];
  let keyComes = false;
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case "{":
        enclosing.push(new Set());
        keyComes = true;
        break;
      case "[":
        enclosing.push(undefined);
        break;
      case "}":
      case "]":
        enclosing.pop();
        keyComes = false;
        break;
      case ",":
        keyComes = enclosing.at(-1) !== undefined;
        break;
      case ":":
        keyComes = false;
        break;
      case '"': {
        const end = endOfString(text, at);
        const keys = enclosing.at(-1);
        if (keyComes && keys !== undefined) {
          const key = JSON.parse(text.slice(at, end + 1)) as string;
          if (keys.has(key)) return key;
          keys.add(key);
        }
        at = end;
        break;
      }
    }
  }
  return undefined;
}

/** Where the string that begins at `start` has its closing quote. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}
