/**
 * The words that matrix instructions multiply, for the interpreter: numbers to bits and back.
 */

import { roundTo } from "./host.ts";
import type { FactorFormat } from "./ops/matrix.ts";

const view = new DataView(new ArrayBuffer(4));

function bitsOfFloat(value: number): number {
  view.setFloat32(0, value);
  return view.getUint32(0);
}

function floatOfBits(bits: number): number {
  view.setUint32(0, bits);
  return view.getFloat32(0);
}

/** One element of tf32, or two of the others, the first in the low half. */
export function packWord(format: FactorFormat, elements: readonly number[]): number {
  const [low = 0, high = 0] = elements;
  switch (format) {
    case "tf32": return Number.isFinite(low) ? ((bitsOfFloat(low) + 0x1000) & 0xffffe000) >>> 0 : bitsOfFloat(low);
    case "bf16": return ((bitsOfFloat(roundTo("bf16", high)) & 0xffff0000) | (bitsOfFloat(roundTo("bf16", low)) >>> 16)) >>> 0;
    case "f16": return ((halfBits(roundTo("f16", high)) << 16) | halfBits(roundTo("f16", low))) >>> 0;
  }
}

/** The numbers in a word. */
export function unpackWord(format: FactorFormat, word: number): readonly number[] {
  switch (format) {
    case "tf32": return [floatOfBits((word & 0xffffe000) >>> 0)];
    case "bf16": return [floatOfBits((word << 16) >>> 0), floatOfBits((word & 0xffff0000) >>> 0)];
    case "f16": return [halfValue(word & 0xffff), halfValue(word >>> 16)];
  }
}

/** Of a number that a half holds exactly: a normal one has the bits of its float, shifted, with another bias. */
function halfBits(value: number): number {
  const bits = bitsOfFloat(value);
  const sign = (bits >>> 16) & 0x8000;
  if (Number.isNaN(value)) return 0x7e00;
  if (!Number.isFinite(value)) return sign | 0x7c00;
  const magnitude = Math.abs(value);
  if (magnitude < 2 ** -14) return sign | (magnitude * 2 ** 24);
  return sign | (((bits & 0x7fffffff) - (112 << 23)) >>> 13);
}

function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}
