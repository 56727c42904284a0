/** The hand-written kernels of `kernels/`, data for them, and the same computations in plain TypeScript. */

import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The text of a kernel with the hardware's functions in front; with changes, each of which must find its place. */
export function kernelText(name: string, ...changes: readonly (readonly [from: string, to: string])[]): string {
  const read = (file: string): string => readFileSync(join(import.meta.dirname, "kernels", `${file}.cu`), "utf8");
  return read("hardware") + changes.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new RangeError(`kernels/${name}.cu does not contain "${from}"`);
    return text.replace(from, to);
  }, read(name));
}

export const kernelNames = ["atomics", "conversions", "fragments", "matmul-pipelined", "matmul-tiled", "shuffles", "softmax", "steps"] as const;

/** Whole numbers from -limit to limit that repeat in no dimension of a matrix, always the same for a seed. */
export function wholeNumbers(count: number, limit: number, seed: number): Float32Array<ArrayBuffer> {
  let state = (seed * 2654435761) >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * (2 * limit + 1)) - limit;
  });
}

/** Bits of a whole number of at most 2048 as f16: exact, so no rounding of ours takes part. */
export function asF16(values: Float32Array): Uint16Array<ArrayBuffer> {
  return Uint16Array.from(values, (value) => {
    const magnitude = Math.abs(value), sign = value < 0 ? 0x8000 : 0;
    if (magnitude === 0) return sign;
    const exponent = Math.floor(Math.log2(magnitude));
    return sign | ((exponent + 15) << 10) | ((magnitude / 2 ** exponent - 1) * 1024);
  });
}

/** Bits of a whole number of at most 256 as bf16. */
export function asBf16(values: Float32Array): Uint16Array<ArrayBuffer> {
  return Uint16Array.from(new Uint32Array(Float32Array.from(values).buffer), (bits) => bits >>> 16);
}

/** C[M,N] = A[M,K] B[K,N] in f64. */
export function matmul(a: Float32Array, b: Float32Array, { M, N, K }: { readonly M: number; readonly N: number; readonly K: number }): Float32Array<ArrayBuffer> {
  const c = new Float64Array(M * N);
  for (let i = 0; i < M; i++) {
    for (let k = 0; k < K; k++) {
      const left = a[i * K + k] ?? NaN;
      for (let j = 0; j < N; j++) c[i * N + j] = (c[i * N + j] ?? NaN) + left * (b[k * N + j] ?? NaN);
    }
  }
  return Float32Array.from(c);
}

export function softmax(x: Float32Array, columns: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(x, (value, i) => {
    const row = x.subarray(i - (i % columns), i - (i % columns) + columns);
    const most = row.reduce((a, b) => Math.max(a, b));
    return Math.exp(value - most) / row.reduce((sum, one) => sum + Math.exp(one - most), 0);
  });
}

export function floats(bytes: Uint8Array<ArrayBuffer> | undefined): Float32Array<ArrayBuffer> {
  return new Float32Array(bytes?.buffer ?? new ArrayBuffer(0));
}

/** The value of f16 bits, from its definition (IEEE 754, binary16). */
export function f16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 0x3ff;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

export function bf16Value(bits: number): number {
  return new Float32Array(Uint32Array.of(bits << 16).buffer)[0] ?? NaN;
}
