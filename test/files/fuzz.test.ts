/**
 * Thousands of files with a few bytes changed: each is either read, and then every number in it holds, or refused by
 * DataFormatError with a message that can be printed. Nothing else is thrown, and nothing is allocated by what a header
 * claims.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { readStructure } from "../../lib/files/checkpoint-structure.ts";
import { DataFormatError, fromNpy, readSafetensors, toSafetensors } from "../../lib/files/index.ts";
import { tensor } from "tsdlc";
import { bytesPerElement } from "tsdlc-runtime/library";
import { referenceFolder } from "./file-tensors.ts";

/** What is put in at a place, in the words of the formats. */
const words = [
  "{", "}", "[", "]", "(", ")", ",", ":", '"', "'", "\\", "0", "1", "9", "-1", "1e9", "9007199254740993", "99999999999999999999", "0.5", "null", "true", "True", "None",
  '"a":', '"__proto__":{}', '"constructor"', '"__metadata__":', '"dtype":"F32"', "F64", "BF16", "F8_E4M3", '"shape":[]', '"data_offsets":[0,0]', "<f8", ">f2", "|b1", "é", "\u0000", "\\ud800", " ",
];
const change = fc.record({
  at: fc.nat(1000), removed: fc.oneof(fc.constant(0), fc.nat(6)),
  put: fc.oneof(fc.constantFrom(...words).map((word) => new TextEncoder().encode(word)), fc.uint8Array({ maxLength: 3 })),
});
const changes = fc.array(change, { minLength: 1, maxLength: 4 });

/** The bytes with changes in the part from `start` to `end`, and how many there are now. */
function mutate(bytes: Uint8Array, start: number, end: number, list: readonly { readonly at: number; readonly removed: number; readonly put: Uint8Array }[]): { readonly mutated: Uint8Array<ArrayBuffer>; readonly length: number } {
  let part: readonly number[] = [...bytes.subarray(start, end)];
  for (const { at, removed, put } of list) {
    const place = at % (part.length + 1);
    part = [...part.slice(0, place), ...put, ...part.slice(place + removed)];
  }
  return { mutated: Uint8Array.from([...bytes.subarray(0, start), ...part, ...bytes.subarray(end)]), length: part.length };
}

/** Whether reading succeeded; anything but our error, or one that is too long to print, fails the test. */
function isRead(read: () => void): boolean {
  try {
    read();
    return true;
  } catch (error) {
    assert.ok(error instanceof DataFormatError, error instanceof Error ? error.stack : String(error));
    assert.ok(error.message.length < 1000, error.message);
    return false;
  }
}

function requireSound(tensors: ReadonlyMap<string, ReturnType<typeof fromNpy>>, bytes: number): void {
  let total = 0;
  for (const one of tensors.values()) {
    assert.equal(one.dataSync().length, one.size);
    total += one.size * bytesPerElement(one.dtype);
  }
  assert.ok(total <= bytes);
}

describe("files with a few bytes changed", function () {
  this.timeout(120_000);

  it("safetensors", async () => {
    const file = await toSafetensors({ "layers.0.weight": tensor([[1, 2], [3, 4]]), mask: tensor([true, false], [2], "bool"), big: tensor(new BigInt64Array(2)), empty: tensor(new Float32Array(0)) }, { format: "np" });
    const headerEnd = 8 + Number(new DataView(file.buffer).getBigUint64(0, true));
    let read = 0;
    fc.assert(fc.property(changes, fc.constantFrom("right", "old", "any"), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.nat(20), (list, length, any, cut) => {
      const { mutated, length: now } = mutate(file, 8, headerEnd, list);
      if (length !== "old") new DataView(mutated.buffer).setBigUint64(0, length === "right" ? BigInt(now) : any, true);
      const whole = cut < 15 ? mutated : mutated.subarray(0, mutated.length - cut);
      if (isRead(() => requireSound(readSafetensors(whole, "x").tensors, whole.length))) read++;
    }), { numRuns: 6000, seed: 4 });
    // Most changes make a file that is none; some only rename a tensor. Both must have been met.
    assert.ok(read > 50 && read < 3000, `${read} were read`);
  });

  it(".npy", () => {
    let read = 0;
    for (const name of ["f32.npy", "big-endian-fortran.npy", "version-3.npy", "bool.npy"]) {
      const file = new Uint8Array(readFileSync(join(referenceFolder, name)));
      fc.assert(fc.property(changes, fc.boolean(), (list, isWhole) => {
        const { mutated } = mutate(file, 0, isWhole ? file.length : 100, list.map((one) => ({ ...one, at: one.at % 110 })));
        if (isRead(() => requireSound(new Map([["x", fromNpy(mutated, "x")]]), mutated.length))) read++;
      }), { numRuns: 1500, seed: 4 });
    }
    assert.ok(read > 20 && read < 4000, `${read} were read`);
  });

  it("the structure of a checkpoint", () => {
    const text = `{"fields":{"params":[{"tensor":"params.0"},{"fields":{}}],"step":3,"best":{"number":"-Infinity"},"name":"a","done":[true,null]}}`;
    const bytes = new TextEncoder().encode(text);
    let read = 0;
    fc.assert(fc.property(changes, (list) => {
      const { mutated } = mutate(bytes, 0, bytes.length, list);
      if (isRead(() => readStructure(new TextDecoder().decode(mutated), "x"))) read++;
    }), { numRuns: 4000, seed: 4 });
    assert.ok(read > 50 && read < 2000, `${read} were read`);
  });
});
