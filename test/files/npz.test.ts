/**
 * .npz: round trips, trees, and archives that are damaged or made to harm. What NumPy makes of ours, and we of its, is in
 * python.test.ts.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { tensor } from "tsdlc";
import { ArgumentError, tensorBrand } from "tsdlc-runtime";
import { DataFormatError, loadTree, readNpz, toNpy, toNpz } from "../../lib/files/index.ts";
import { crc32, writeZip } from "../../lib/files/zip.ts";
import { anyTensor, facts } from "./file-tensors.ts";

const [local, central] = [0, 1] as const;

/** An archive with two arrays, and where the records of its second entry are. */
async function archive(deflate = false): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly at: readonly [local: number, central: number, end: number] }> {
  const files = await Promise.all([[1, 2], Array<number>(100).fill(3)].map((values) => toNpy(tensor(values))));
  const bytes = await writeZip("test", [{ name: "a.npy", data: files[0] ?? new Uint8Array() }, { name: "b.npy", data: files[1] ?? new Uint8Array() }], deflate);
  const find = (mark: number): number => {
    const view = new DataView(bytes.buffer);
    for (let at = bytes.length - 4; at >= 0; at--) if (view.getUint32(at, true) === mark) return at;
    throw new Error("there is no such record");
  };
  return { bytes, at: [find(0x04034b50), find(0x02014b50), find(0x06054b50)] };
}

describe(".npz", function () {
  it("gives back every dtype but bf16, by name and in order, stored and compressed", async () => {
    await fc.assert(fc.asyncProperty(fc.array(anyTensor, { maxLength: 5 }), fc.boolean(), async (some, compress) => {
      const named = new Map(some.filter(({ dtype }) => dtype !== "bf16").map((one, i) => [`größe/${i}`, one]));
      const file = await readNpz(await toNpz(named, { compress }), "x");
      assert.deepEqual([...file.tensors.keys()], [...named.keys()]);
      for (const [name, one] of named) {
        assert.deepEqual(file.tensors.get(name), { dtype: one.dtype, shape: one.shape });
        assert.deepEqual(facts(await file.read(name)), facts(one));
      }
    }), { numRuns: 100 });
  });

  it("compresses where it is asked to, and makes equal bytes of equal tensors", async () => {
    const tensors = { zeros: tensor(new Float32Array(100_000)), ones: tensor(new Float32Array(10).fill(1)) };
    const [stored, deflated] = [await toNpz(tensors), await toNpz(tensors, { compress: true })];
    assert.ok(stored.length > 400_000 && deflated.length < 2000, `${stored.length} and ${deflated.length} bytes`);
    assert.deepEqual(await toNpz(tensors, { compress: true }), deflated);
  });

  it("fills a tree", async () => {
    const file = await readNpz(await toNpz({ "layers.0.weight": tensor([[1, 2]]), "layers.0.bias": tensor([3]) }));
    const { tree } = await loadTree({ layers: [{ weight: { dtype: "f32", shape: [1, 2] }, bias: { dtype: "f32", shape: [1] } }] } as const, file);
    assert.deepEqual(facts(tree.layers[0].weight), facts(tensor([[1, 2]])));
    await assert.rejects(loadTree({ weight: { dtype: "f32", shape: [1] } }, file), /1 missing, 2 not expected/);
    await assert.rejects(file.read("weight"), new ArgumentError(`the bytes has no tensor "weight": it has "layers.0.weight", "layers.0.bias"`));
  });

  it("makes views of what is stored where its place allows it", async () => {
    const bytes = await toNpz({ abcd: tensor([1, 2]) });
    const state = (await (await readNpz(bytes)).read("abcd"))[tensorBrand];
    // 30 bytes and a name of 8 are not a multiple of 4; a name of 10 is.
    assert.ok(state.kind === "host" && state.data.buffer !== bytes.buffer);
    const placed = await toNpz({ abcdef: tensor([1, 2]) });
    const view = (await (await readNpz(placed)).read("abcdef"))[tensorBrand];
    assert.ok(view.kind === "host" && view.data.buffer === placed.buffer);
  });

  it("refuses to write what an archive cannot hold", async () => {
    const one = tensor([1]);
    await assert.rejects(toNpz({ x: tensor(new Uint16Array(1), [1], "bf16") }), /bf16\[1\] has no place in an .npy file/);
    await assert.rejects(toNpz(new Map([["../x", one]])), new ArgumentError(`toNpz: the name "../x" is a path with an empty step, . or ..`));
    await assert.rejects(toNpz(new Map([["constructor", one]])), /every JavaScript object inherits/);
    await assert.rejects(toNpz(new Map([["\ud800", one]])), /no well-formed Unicode/);
  });

  it("knows the check sum of the standard", () => assert.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926));

  describe("refuses", () => {
    /** A change to the bytes: of 2 or of 4 bytes, at a record of the second entry. */
    type Change = readonly [record: 0 | 1 | 2, offset: number, bytes: 1 | 2 | 4, value: number];
    const cases: readonly (readonly [what: string, changes: readonly Change[], message: string | RegExp, deflate?: boolean])[] = [
      ["an encrypted entry", [[central, 8, 2, 1]], `x: entry "b.npy": it is encrypted`],
      ["a method of nobody", [[central, 10, 2, 12]], `x: entry "b.npy": it is compressed by method 12; there are 0, stored, and 8, deflated`],
      ["a name twice", [[central, 46, 1, 0x61]], `x: entry "a.npy": there is another one of this name`],
      ["another name before the data", [[local, 30, 1, 0x63]], /^x: entry "b.npy": damaged: the entry at byte \d+ has another name than the directory says$/],
      ["a folder", [[central, 50, 1, 0x2f]], `x: entry 1: its name "b.np/" is a path with an empty step, . or ..`],
      ["a path to the root", [[central, 46, 1, 0x2f]], `x: entry 1: its name "/.npy" is a path with an empty step, . or ..`],
      ["a backslash", [[central, 47, 1, 0x5c]], `x: entry 1: its name "b\\\\npy" has a backslash, a NUL or a drive`],
      ["a name that is no UTF-8", [[central, 46, 1, 0xff]], "x: entry 1: its name is not UTF-8"],
      ["a name in no known encoding", [[central, 46, 1, 0xe4], [central, 8, 2, 0]], "x: entry 1: its name is neither ASCII nor marked as UTF-8"],
      ["another kind of file", [[central, 49, 1, 0x78], [local, 33, 1, 0x78]], `x: entry "b.nxy" is no .npy file, and an .npz archive has nothing else`],
      ["a size that is not that of the data", [[central, 24, 4, 8]], /^x: entry "b.npy": it is stored, and has 528 bytes for 8$/],
      ["a bomb by what it says", [[central, 24, 4, 0x7fffffff]], /it says that \d+ bytes expand to 2147483647, and nothing expands more than 1032 times/, true],
      ["zip64 sizes", [[central, 24, 4, 0xffffffff]], /it is over 4 GB \(zip64\)/],
      ["data beyond the directory", [[central, 20, 4, 5000], [central, 24, 4, 5000]], /truncated: its 5000 bytes from \d+ go beyond \d+, where the directory begins/],
      ["an entry that is not there", [[central, 42, 4, 3]], `x: entry "b.npy": damaged: there is no entry at byte 3`],
      ["an entry far outside", [[central, 42, 4, 0x7fffffff]], `x: entry "b.npy": damaged: there is no entry at byte 2147483647`],
      ["a count too small", [[2, 8, 2, 1], [2, 10, 2, 1]], /x: damaged: after 1 entries the directory has 51 bytes more/],
      ["a count too large", [[2, 8, 2, 3], [2, 10, 2, 3]], "x: damaged: entry 2 of 3 in the directory is not there"],
      ["a directory elsewhere", [[2, 16, 4, 5]], /x: damaged: the directory should be the \d+ bytes from 5, and it ends at \d+/],
      ["several files", [[2, 4, 2, 1]], "x: an archive in several files, which is not read here"],
    ];
    for (const [what, changes, message, deflate] of cases) {
      it(what, async () => {
        const { bytes, at } = await archive(deflate);
        const view = new DataView(bytes.buffer);
        for (const [record, offset, size, value] of changes) {
          const place = at[record] + offset;
          if (size === 4) view.setUint32(place, value, true);
          else if (size === 2) view.setUint16(place, value, true);
          else view.setUint8(place, value);
        }
        const expected = (error: unknown): boolean => error instanceof DataFormatError && (typeof message === "string" ? error.message === message : message.test(error.message));
        await assert.rejects(readNpz(bytes, "x"), (error: unknown) => expected(error) || assert.fail(String(error)));
      });
    }

    it("two entries in the same bytes", async () => {
      const { bytes, at } = await archive();
      const view = new DataView(bytes.buffer);
      // Both entries are called b.npy in front of their data, and the first is made to reach over the second.
      view.setUint32(at[1] - 51 + 20, 400, true);
      view.setUint32(at[1] - 51 + 24, 400, true);
      await assert.rejects(readNpz(bytes, "x"), new DataFormatError(`x: entries "a.npy" and "b.npy" are in the same bytes`));
    });

    it("data that expand to more or less than they say", async () => {
      for (const [more, message] of [[-8, /it expands to more than the 520 bytes that it should/], [8, /it expands to 528 bytes, and should to 536/]] as const) {
        const { bytes, at } = await archive(true);
        const view = new DataView(bytes.buffer);
        view.setUint32(at[1] + 24, view.getUint32(at[1] + 24, true) + more, true);
        const file = await readNpz(bytes, "x");
        await assert.rejects(file.read("b"), (error: unknown) => error instanceof DataFormatError && message.test(error.message));
        assert.deepEqual(facts(await file.read("a")), facts(tensor([1, 2])));
      }
    });

    it("data with another check sum", async () => {
      const { bytes, at } = await archive();
      const data = at[0] + 35;
      bytes[data + 200] = 7;
      await assert.rejects((await readNpz(bytes, "x")).read("b"), new DataFormatError(`x: entry "b.npy": damaged: its check sum is another`));
    });

    it("data that are not deflated, and an array that is none", async () => {
      const { bytes, at } = await archive(true);
      bytes.fill(0xff, at[0] + 35, at[0] + 60);
      await assert.rejects(readNpz(bytes, "x"), /^DataFormatError: x: entry "b.npy": damaged: it cannot be inflated/);
      const foreign = await writeZip("test", [{ name: "a.npy", data: new Uint8Array(100) }], false);
      await assert.rejects(readNpz(foreign, "x"), /^DataFormatError: x: entry "a.npy": not an .npy file/);
    });

    it("nothing, text, and archives that are cut off anywhere", async () => {
      const { bytes } = await archive();
      for (let length = 0; length < bytes.length; length++) await assert.rejects(readNpz(bytes.subarray(0, length), "x"), DataFormatError);
      await assert.rejects(readNpz(new TextEncoder().encode("no archive, but a text of some length"), "x"), new DataFormatError("x: not a zip archive, or a truncated one: there is no directory at its end"));
    });
  });

  it("reads archives with a few bytes changed, or refuses them by its own error", async () => {
    const { bytes } = await archive(true);
    let read = 0;
    await fc.assert(fc.asyncProperty(fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }), async (changes) => {
      const mutated = bytes.slice();
      for (const [at, value] of changes) mutated[at] = value;
      try {
        const file = await readNpz(mutated, "x");
        for (const name of file.tensors.keys()) assert.ok((await file.read(name)).size <= 100);
        read++;
      } catch (error) {
        assert.ok(error instanceof DataFormatError, error instanceof Error ? error.stack : String(error));
        assert.ok(error.message.length < 1000);
      }
    }), { numRuns: 1500, seed: 4 });
    assert.ok(read > 20 && read < 1400, `${read} were read`);
  });
});
