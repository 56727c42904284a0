/** Tensors and files for the tests of lib/files: random tensors of any dtype, their bits, and safetensors files by hand. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import type { Tensor as Handle } from "tsdlc-runtime";
import { bytesOf, bytesPerElement } from "tsdlc-runtime/library";
import type { DTypeName, Shape } from "tsdlc";
import { tensorOfBytes } from "../../lib/files/elements.ts";

export const dtypes: readonly DTypeName[] = ["f64", "f32", "f16", "bf16", "i64", "i32", "i8", "u32", "u8", "bool"];

/** Any dtype, shape and bits, NaNs of every kind among them. */
export const anyTensor = fc.record({ dtype: fc.constantFrom(...dtypes), shape: fc.array(fc.nat(4), { maxLength: 4 }) }).chain(({ dtype, shape }) => {
  const bytes = shape.reduce((count, size) => count * size, bytesPerElement(dtype));
  return fc.uint8Array({ minLength: bytes, maxLength: bytes, ...(dtype === "bool" ? { max: 1 } : {}) }).map((data) => tensorOfBytes(dtype, shape, data, "little", "a sample"));
});

/** What a tensor is, to the last bit. */
export function facts(tensor: Handle<Shape, DTypeName>): { readonly dtype: DTypeName; readonly shape: readonly number[]; readonly bits: string } {
  return { dtype: tensor.dtype, shape: [...tensor.shape], bits: Buffer.from(bytesOf(tensor.dataSync())).toString("hex") };
}

/** A safetensors file of a header, as text or to be printed, and so many bytes of data. */
export function safetensorsFile(header: unknown, data: number | Uint8Array = 0): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const body = typeof data === "number" ? new Uint8Array(data) : data;
  const file = new Uint8Array(8 + text.length + body.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  file.set(body, 8 + text.length);
  return file;
}

export const referenceFolder = join(import.meta.dirname, "../reference/files");

interface Described {
  readonly dtype: DTypeName;
  readonly shape: readonly number[];
  readonly bits: string;
}

export interface Expected {
  readonly files: Readonly<Record<string, Described | "refused" | { readonly metadata: Readonly<Record<string, string>>; readonly tensors: Readonly<Record<string, Described>> }>>;
}

export function readExpected(): Expected["files"] {
  return (JSON.parse(readFileSync(join(referenceFolder, "expected.json"), "utf8")) as Expected).files;
}

/** What is in a folder beside a file of this name, to find what a write has left. */
export function namesIn(folder: string): readonly string[] {
  return readdirSync(folder).sort();
}
