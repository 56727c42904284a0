/**
 * Random numbers in the DSL. A key, u32[2], decides every draw: element i of a draw is a function of the key and i
 * alone (Philox4x32-10; Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011), so a draw
 * is the same on every device, and a gradient recomputes it instead of keeping it. Use a key once; split it for more.
 */

import { concat, constant, full } from "./create.ts";
import { primitive } from "./primitive.ts";
import type { Dim, Shape, Sizes } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

export type Key = Tensor<[2], "u32">;

/** A tuple of `Count` items, or an array where the count is not a literal. */
type Repeat<Item, Count extends number, Items extends Item[] = []> =
  number extends Count ? Item[] : Items["length"] extends Count ? Items : Repeat<Item, Count, [...Items, Item]>;

/** The key for a seed: a whole number from 0 to 2^53, known when the program is built. */
export function key(seed: number): Key {
  if (!(seed >= 0 && seed <= 2 ** 53 && Math.floor(seed) === seed)) throw new Error(`a seed must be a whole number from 0 to 2^53; it is ${seed}`);
  return constant([seed % 2 ** 32, Math.floor(seed / 2 ** 32)], "u32") as Key;
}

/** `count` independent keys; the key itself must not be used again. */
export function split<const N extends number = 2>(from: Key, count: N = 2 as N): Repeat<Key, N> {
  const bits = randomBits(from.bitwiseXor(constant([0x6a09e667, 0xbb67ae85], "u32")), [count, 2]);
  const keys: Key[] = [];
  for (let i = 0; i < count; i++) keys.push(bits.select(0, i));
  return keys as Repeat<Key, N>;
}

/** A key for one of a sequence of uses, such as a step or a layer: different data, independent keys. */
export function foldIn(from: Key, data: number | Tensor<[], "i32" | "u32">): Key {
  const salt = typeof data === "number" ? full([1], data, "u32") : data.to("u32").reshape([1]);
  return randomBits(from.bitwiseXor(concat([salt, full([1], 0x3c6ef372, "u32")])), [2]) as Key;
}

/** Floats with equal probability in [low, high), 24 random bits each. */
export function uniform<const T extends readonly Dim[]>(from: Key, shape: T & readonly number[], options: { readonly low?: number; readonly high?: number } = {}): Tensor<Sizes<T>, "f32"> {
  const low = options.low ?? 0;
  const high = options.high ?? 1;
  const unit = fraction(randomBits(from, shape));
  return low === 0 && high === 1 ? unit : unit.mul(high - low).add(low);
}

/** Floats of mean 0 and variance 1: sqrt(-2 log u) cos(2 pi v) (Box, Muller, 1958). */
export function normal<const T extends readonly Dim[]>(from: Key, shape: T & readonly number[]): Tensor<Sizes<T>, "f32"> {
  const bits = randomBits(from, [2, ...shape]);
  const radius = fraction(bits.select(0, 0)).neg().add(1).log().mul(-2).sqrt();
  return radius.mul(fraction(bits.select(0, 1)).mul(2 * Math.PI).cos());
}

/** true with the probability given, false otherwise. */
export function bernoulli<const T extends readonly Dim[]>(from: Key, probability: number | Tensor<Shape>, shape: T & readonly number[]): Tensor<Sizes<T>, "bool"> {
  return uniform(from, shape as readonly number[]).lt(probability);
}

/** 32 random bits for each element. */
export function randomBits<const T extends readonly Dim[]>(from: Key, shape: T & readonly number[]): Tensor<Sizes<T>, "u32"> {
  return primitive("randomBits", from, shape);
}

/** The upper 24 bits, as many as a float has, as a fraction in [0, 1). */
function fraction(bits: Tensor<Shape, "u32">): Tensor<Shape, "f32"> {
  const upper: Tensor<Shape, "u32"> = primitive("shiftRight", bits, 8);
  return upper.to("f32").mul(2 ** -24);
}

