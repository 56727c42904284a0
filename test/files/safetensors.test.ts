/** Safetensors: round trips in memory and on the disk, views, writes that fail, and every kind of damaged file. */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { tensor } from "tsdlc";
import { ArgumentError, device, HandleError, tensorBrand } from "tsdlc-runtime";
import { DataFormatError, openSafetensors, readSafetensors, toSafetensors, writeSafetensors } from "../../lib/files/index.ts";
import { anyTensor, facts, namesIn, safetensorsFile } from "./file-tensors.ts";

const anyName = fc.string({ unit: "binary", maxLength: 12 }).filter((name) => !/(^|[.])(__proto__|constructor)([.]|$)/.test(name) && name !== "__metadata__");
const anyText = fc.string({ unit: "binary" });

describe("safetensors", () => {
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), "tsdlc-files-"))));
  after(() => rmSync(folder, { recursive: true }));

  it("gives back every name, dtype, shape, bit and text", async () => {
    let times = 0;
    await fc.assert(fc.asyncProperty(fc.dictionary(anyName, anyTensor, { maxKeys: 6 }), fc.dictionary(anyName, anyText, { maxKeys: 3 }), async (tensors, metadata) => {
      const path = join(folder, `round-${times++ % 4}`);
      const expected = Object.entries(tensors).map(([name, one]) => [name, facts(one)]).sort();
      const bytes = await toSafetensors(tensors, metadata);
      const read = readSafetensors(bytes);
      assert.deepEqual([...read.tensors].map(([name, one]) => [name, facts(one)]).sort(), expected);
      assert.deepEqual([...read.metadata].sort(), Object.entries(metadata).sort());
      await writeSafetensors(path, new Map(Object.entries(tensors)), new Map(Object.entries(metadata)));
      assert.deepEqual(new Uint8Array(readFileSync(path)), bytes);
      await using file = await openSafetensors(path);
      const fromDisk = await Promise.all([...file.tensors.keys()].map(async (name) => [name, facts(await file.read(name))]));
      assert.deepEqual(fromDisk.sort(), expected);
    }), { numRuns: 200 });
  });

  it("places every tensor so that it can be a view, and copies nothing then", async () => {
    await fc.assert(fc.asyncProperty(fc.dictionary(anyName, anyTensor), async (tensors) => {
      const bytes = await toSafetensors(tensors, { odd: "x" });
      for (const [name, one] of readSafetensors(bytes).tensors) {
        const state = one[tensorBrand];
        assert.ok(state.kind === "host" && state.data.buffer === bytes.buffer, name);
      }
    }));
  });

  it("copies what does not stand at a multiple of its size, and what shares memory", () => {
    const file = safetensorsFile(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`.padEnd(57), Uint8Array.of(0, 0, 128, 63));
    assert.deepEqual(readSafetensors(file).tensors.get("w")?.dataSync(), Float32Array.of(1));
    const shared = new Uint8Array(new SharedArrayBuffer(file.length));
    shared.set(file);
    assert.deepEqual(readSafetensors(shared).tensors.get("w")?.dataSync(), Float32Array.of(1));
  });

  it("gives the same bytes for the same tensors in any order", async () => {
    const [a, b, c] = [tensor(Float32Array.of(1, 2)), tensor(Float32Array.of(3)), tensor(Float64Array.of(4))];
    assert.deepEqual(await toSafetensors({ a, b, c }), await toSafetensors(new Map<string, typeof a | typeof c>([["c", c], ["b", b], ["a", a]])));
  });

  it("computes with views, and writes tensors that are on a device", async () => {
    await device("cpu");
    const { tensors } = readSafetensors(await toSafetensors({ first: tensor([9, 9]), x: tensor([[1, 2], [3, 4]]), mask: tensor([true, false], [2], "bool") }));
    const x = tensors.get("x");
    assert.ok(x?.dtype === "f32");
    const sum = x.add(1);
    assert.match(sum.device, /^cpu/);
    const many = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`t${i}`, sum.add(i)]));
    const path = join(folder, "from-device");
    await writeSafetensors(path, many);
    await using file = await openSafetensors(path);
    for (let i = 0; i < 30; i++) assert.deepEqual(await (await file.read(`t${i}`)).data(), Float32Array.of(2 + i, 3 + i, 4 + i, 5 + i));
  });

  it("reads of a file only what is asked for", async () => {
    const path = join(folder, "partly");
    await writeSafetensors(path, { a: tensor([1, 2, 3]), b: tensor([4, 5, 6]) });
    await using file = await openSafetensors(path);
    truncateSync(path, readFileSync(path).length - 4);
    assert.deepEqual(await (await file.read("a")).data(), Float32Array.of(1, 2, 3));
    await assert.rejects(file.read("b"), (error) => error instanceof DataFormatError && /partly: tensor "b": truncated while it was open: bytes \d+ to \d+ were asked for, and there are 8$/.test(error.message));
  });

  it("says what is not there, and what is closed", async () => {
    const path = join(folder, "small");
    await writeSafetensors(path, { a: tensor([1]) });
    const file = await openSafetensors(path);
    await assert.rejects(file.read("b"), new ArgumentError(`${path} has no tensor "b": it has "a"`));
    await file.close();
    await file.close();
    await assert.rejects(file.read("a"), new HandleError(`${path} was closed and cannot be read from again: open it once more`));
    await assert.rejects(openSafetensors(join(folder, "absent")), { code: "ENOENT" });
  });

  describe("a write that fails", () => {
    it("leaves the old file and nothing else", async () => {
      const path = join(folder, "kept", "model");
      mkdirSync(join(folder, "kept"));
      await writeSafetensors(path, { a: tensor([1]) });
      const before = readFileSync(path);
      const doomed = tensor([1, 2, 3]);
      const writing = writeSafetensors(path, { a: tensor([2]), b: doomed });
      doomed.dispose();
      await assert.rejects(writing, new HandleError(`"b", f32[3], was disposed of and cannot be used again`));
      const disposed = tensor([1]);
      disposed.dispose();
      await assert.rejects(writeSafetensors(path, { w: disposed }), new HandleError(`writeSafetensors: "w", f32[1], was disposed of and cannot be used again`));
      assert.deepEqual(readFileSync(path), before);
      assert.deepEqual(namesIn(join(folder, "kept")), ["model"]);
      await assert.rejects(writeSafetensors(join(folder, "no", "folder"), { a: tensor([1]) }), { code: "ENOENT" });
    });

    const one = tensor([1]);
    const refusals: readonly (readonly [string, Parameters<typeof toSafetensors>, string])[] = [
      ["the name of metadata", [{ __metadata__: one }], "toSafetensors: a tensor cannot be called __metadata__, which is where a file has its metadata"],
      ["a name of every object", [new Map([["a.__proto__", one]])], `toSafetensors: the name "a.__proto__" has the part __proto__, which every JavaScript object inherits: rename it`],
      ["half a character", [{ "\ud800": one }], `toSafetensors: the name "\\ud800" is no well-formed Unicode, which a file cannot hold`],
      ["no tensor", [{ a: 3 as unknown as typeof one }], `toSafetensors: "a" is no tensor: make one with tensor(...)`],
      ["metadata that is no text", [{}, { epoch: 3 as unknown as string }], `toSafetensors: metadata is text, and "epoch" is a number: pass String(value) or JSON.stringify(value)`],
      ["half a character in metadata", [{}, { note: "\udc00" }], `toSafetensors: the metadata "note" is no well-formed Unicode, which a file cannot hold`],
    ];
    for (const [what, args, message] of refusals) it(`refuses ${what}`, () => assert.rejects(toSafetensors(...args), new ArgumentError(message)));

    it("refuses a header that no reader takes", async () => {
      await assert.rejects(toSafetensors({}, { long: "x".repeat(100_000_000) }), /^ArgumentError: toSafetensors: names, shapes and metadata take 1000000\d\d bytes, and no reader takes more than 100000000: write several files$/);
    });
  });

  describe("a damaged or hostile file", () => {
    const entry = (dtype: unknown, shape: unknown, begin: unknown, end: unknown): unknown => ({ dtype, shape, data_offsets: [begin, end] });
    const length = (value: bigint, rest: number): Uint8Array => {
      const file = new Uint8Array(8 + rest);
      new DataView(file.buffer).setBigUint64(0, value, true);
      return file;
    };
    const cases: readonly (readonly [string, Uint8Array, string])[] = [
      ["empty", new Uint8Array(), "x: empty: a safetensors file begins with 8 bytes that say how long its header is, and there are 0"],
      ["three bytes", new Uint8Array(3), "x: truncated: a safetensors file begins with 8 bytes that say how long its header is, and there are 3"],
      ["no header", length(0n, 0), "x: not a safetensors file: its header begins with nothing, not with {"],
      ["a header longer than the file", length(100n, 20), "x: truncated: the header has 100 bytes after the first 8, and the file has 28 in all"],
      ["a header over 100 MB", length(100_000_001n, 20), "x: not a safetensors file, or damaged: its first 8 bytes say that the header has 100000001 bytes, and no header has more than 100000000"],
      ["a header of 2^64 - 1 bytes", length(2n ** 64n - 1n, 2), "x: not a safetensors file, or damaged: its first 8 bytes say that the header has 18446744073709551615 bytes, and no header has more than 100000000"],
      ["another beginning", safetensorsFile("[]"), "x: not a safetensors file: its header begins with the byte 91, not with {"],
      ["no JSON", safetensorsFile(`{"a":`), "x: the header is not JSON (Unexpected end of JSON input)"],
      ["no UTF-8", safetensorsFile("{}").with(8 + 1, 0xff), "x: the header is not UTF-8"],
      ["a name twice", safetensorsFile(`{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}, "\\u0061" :{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`), `x: the header has the key "a" twice in one object`],
      ["a field twice", safetensorsFile(`{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"shape":[0]}}`), `x: the header has the key "shape" twice in one object`],
      ["metadata that is no object", safetensorsFile({ __metadata__: ["a"] }), "x: __metadata__ of the header is no object"],
      ["metadata that is no text", safetensorsFile({ __metadata__: { a: 1 } }), `x: __metadata__ of the header has "a", which is no string`],
      ["metadata of half a character", safetensorsFile(`{"__metadata__":{"a":"\\ud83d"}}`), `x: __metadata__ of the header has "a", which is no well-formed Unicode`],
      ["half a character", safetensorsFile(`{"\\ud83d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`), `x: tensor "\\ud83d": the name is no well-formed Unicode`],
      ["an entry that is no object", safetensorsFile({ a: 3 }), `x: tensor "a": the header must say dtype, shape and data_offsets of it, a string and two lists`],
      ["an entry without a shape", safetensorsFile({ a: { dtype: "U8", data_offsets: [0, 0] } }), `x: tensor "a": the header must say dtype, shape and data_offsets of it, a string and two lists`],
      ["a dtype that nobody knows", safetensorsFile({ a: entry("float32", [1], 0, 4) }, 4), `x: tensor "a": its dtype is "float32", which is none of safetensors: there are F64, F32, F16, BF16, I64, I32, I8, U32, U8, BOOL`],
      ["a dtype that no tensor has", safetensorsFile({ a: entry("F8_E5M2", [1], 0, 1) }, 1), `x: tensor "a": its dtype is F8_E5M2, which no tensor here can hold: convert it first, to one of F64, F32, F16, BF16, I64, I32, I8, U32, U8, BOOL`],
      ["a dtype of every object", safetensorsFile({ a: entry("constructor", [1], 0, 1) }, 1), `x: tensor "a": its dtype is "constructor", which is none of safetensors: there are F64, F32, F16, BF16, I64, I32, I8, U32, U8, BOOL`],
      ["a negative size", safetensorsFile({ a: entry("F32", [-1], 0, 4) }, 4), `x: tensor "a": the shape must be sizes, whole numbers from 0 to 2^53; it is [-1]`],
      ["a size of -0", safetensorsFile(`{"a":{"dtype":"F32","shape":[-0],"data_offsets":[0,0]}}`), `x: tensor "a": the shape must be sizes, whole numbers from 0 to 2^53; it is [-0]`],
      ["a fraction of a size", safetensorsFile({ a: entry("F32", [0.5, "2"], 0, 4) }, 4), `x: tensor "a": the shape must be sizes, whole numbers from 0 to 2^53; it is [0.5,"\\"2\\""]`],
      ["a size over 2^53", safetensorsFile(`{"a":{"dtype":"U8","shape":[9007199254740993],"data_offsets":[0,4]}}`, 4), `x: tensor "a": the shape must be sizes, whole numbers from 0 to 2^53; it is [9007199254740992]`],
      ["sizes whose product is over 2^53", safetensorsFile({ a: entry("U8", [2 ** 30, 2 ** 30], 0, 4) }, 4), `x: tensor "a": u8[1073741824,1073741824] has more than 2^53 bytes`],
      ["sizes whose product overflows to 0", safetensorsFile({ a: entry("U8", [2 ** 32, 2 ** 32, 0], 0, 0) }), `x: tensor "a": u8[4294967296,4294967296,0] has more than 2^53 bytes`],
      ["a negative offset", safetensorsFile({ a: entry("U8", [1], -1, 0) }), `x: tensor "a": data_offsets must be where it begins and ends, whole numbers from 0 to 2^53, the first not above the second; it is [-1,0]`],
      ["offsets that run backwards", safetensorsFile({ a: entry("U8", [1], 4, 3) }, 4), `x: tensor "a": data_offsets must be where it begins and ends, whole numbers from 0 to 2^53, the first not above the second; it is [4,3]`],
      ["three offsets", safetensorsFile({ a: { dtype: "U8", shape: [1], data_offsets: [0, 1, 2] } }, 2), `x: tensor "a": data_offsets must be where it begins and ends, whole numbers from 0 to 2^53, the first not above the second; it is [0,1,2]`],
      ["a size that is not the shape's", safetensorsFile({ a: entry("F32", [2, 3], 0, 20) }, 20), `x: tensor "a": f32[2,3] takes 24 bytes, and the header gives it 20, from 0 to 20 of the data`],
      ["data that is not all there", safetensorsFile({ a: entry("F32", [2], 0, 8) }, 7), `x: tensor "a": truncated, or out of range: it ends at byte 8 of the data, and the file has 7 bytes of data`],
      ["a tensor of terabytes", safetensorsFile({ a: entry("F32", [2 ** 40], 0, 2 ** 42) }, 8), `x: tensor "a": truncated, or out of range: it ends at byte 4398046511104 of the data, and the file has 8 bytes of data`],
      ["two tensors in one place", safetensorsFile({ a: entry("U8", [4], 0, 4), b: entry("U8", [4], 3, 7) }, 7), `x: tensor "b" overlaps "a": it begins at byte 3 of the data, where the other ends at 4`],
      ["a hole", safetensorsFile({ a: entry("U8", [4], 0, 4), b: entry("U8", [4], 6, 10) }, 10), `x: a hole in the data: tensor "b" begins at byte 6, and no tensor has the 2 bytes between "a" and it`],
      ["a hole in front", safetensorsFile({ a: entry("U8", [4], 2, 6) }, 6), `x: a hole in the data: tensor "a" begins at byte 2, and no tensor has the 2 bytes before it`],
      ["bytes behind", safetensorsFile({ a: entry("U8", [4], 0, 4) }, 9), "x: too long: 5 bytes follow the last tensor"],
      ["a bool that is none", safetensorsFile({ a: entry("BOOL", [3], 0, 3) }, Uint8Array.of(0, 1, 2)), `x: tensor "a": element 2 is 2, and a bool is 0 or 1`],
      ["__proto__", safetensorsFile(`{"__proto__":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`), `x: the name "__proto__" has the part __proto__, which every JavaScript object inherits: rename it`],
      ["constructor", safetensorsFile({ "a.constructor.b": entry("U8", [0], 0, 0) }), `x: the name "a.constructor.b" has the part constructor, which every JavaScript object inherits: rename it`],
    ];
    for (const [what, bytes, message] of cases) {
      it(`is refused: ${what}`, async () => {
        assert.throws(() => readSafetensors(bytes, "x"), new DataFormatError(message));
        const path = join(folder, "damaged");
        writeFileSync(path, bytes);
        const readAll = async (): Promise<void> => {
          await using file = await openSafetensors(path);
          for (const name of file.tensors.keys()) await file.read(name);
        };
        await assert.rejects(readAll(), new DataFormatError(message.replace("x", path)));
      });
    }

    it("and reads what the reference implementation reads: fields that it does not know, metadata of null, space behind", () => {
      const file = safetensorsFile(`{"__metadata__":null,"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"more":[3]}}\n \t`, Uint8Array.of(7));
      const { tensors, metadata } = readSafetensors(file);
      assert.deepEqual([tensors.get("a")?.item(), metadata.size], [7, 0]);
    });

    it("takes a long time for none, and no stack: a hundred thousand brackets, a long string", () => {
      const deep = `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
      assert.throws(() => readSafetensors(safetensorsFile(deep), "x"), DataFormatError);
      const long = `{"__metadata__":{"a":"${"\\\\".repeat(2_000_000)}"}}`;
      assert.equal(readSafetensors(safetensorsFile(long)).metadata.get("a")?.length, 2_000_000);
      assert.throws(() => readSafetensors(safetensorsFile({ ["n".repeat(1e6)]: 3 }), "x"), (error) => error instanceof DataFormatError && error.message.length < 400);
      assert.throws(() => readSafetensors(safetensorsFile({ a: entry("U8", Array.from({ length: 1e5 }, () => -1), 0, 0) }), "x"), (error) => error instanceof DataFormatError && error.message.length < 400);
    });
  });
});
