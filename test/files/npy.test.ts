/** .npy: round trips, what numpy.load wants of a file, and damaged ones. What NumPy wrote is in reference.test.ts. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { tensor } from "tsdlc";
import { ArgumentError, device, tensorBrand } from "tsdlc-runtime";
import { DataFormatError, fromNpy, toNpy } from "../../lib/files/index.ts";
import { anyTensor, facts } from "./file-tensors.ts";

/** An .npy file of a header and so many bytes of data. */
function npyFile(header: string, data: number | readonly number[] = 0, version = 1): Uint8Array {
  const text = new TextEncoder().encode(header);
  const body = typeof data === "number" ? new Uint8Array(data) : Uint8Array.from(data);
  const start = version === 1 ? 10 : 12;
  const file = new Uint8Array(start + text.length + body.length);
  file.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0]);
  if (version === 1) new DataView(file.buffer).setUint16(8, text.length, true);
  else new DataView(file.buffer).setUint32(8, text.length, true);
  file.set(text, start);
  file.set(body, start + text.length);
  return file;
}

const header = (descr: string, shape: string, order = "False"): string => `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }`;

describe(".npy", () => {
  it("gives back every dtype but bf16, shape and bit", async () => {
    await fc.assert(fc.asyncProperty(anyTensor, async (one) => {
      if (one.dtype === "bf16") return;
      const bytes = await toNpy(one);
      assert.equal((bytes.length - one.dataSync().byteLength) % 64, 0);
      assert.deepEqual(facts(fromNpy(bytes)), facts(one));
      const read = fromNpy(bytes.buffer)[tensorBrand];
      assert.ok(read.kind === "host" && read.data.buffer === bytes.buffer, "a copy where a view is possible");
    }), { numRuns: 300 });
  });

  it("reads the order of Fortran for any shape", async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 5 }), async (shape) => {
      const count = shape.reduce((product, size) => product * size, 1);
      // Element i of the file is the number i; where it belongs is counted with the first axis fastest.
      const got = fromNpy(npyFile(header("'|u1'", `(${shape.map((size) => `${size},`).join("")})`, "True"), Array.from({ length: count }, (_, i) => i % 256))).dataSync();
      for (let at = 0; at < count; at++) {
        let [rest, from, stride] = [at, 0, count];
        for (const size of shape.toReversed()) {
          stride /= size;
          from += (rest % size) * stride;
          rest = Math.floor(rest / size);
        }
        assert.equal(got[at], from % 256);
      }
    }));
  });

  it("reads what other writers make: other keys first, Python 2's long integers, double quotes, no spaces", () => {
    for (const text of [`{"shape":(2L,1L),"descr":"<i1","fortran_order":False}`, ` { 'fortran_order' : False , 'descr' : '|i1', 'shape' : ( 2 , 1 ) } \n`]) {
      assert.deepEqual(facts(fromNpy(npyFile(text, [1, 255]))), { dtype: "i8", shape: [2, 1], bits: "01ff" });
    }
  });

  it("writes a tensor that is on a device", async () => {
    await device("cpu");
    assert.deepEqual([...fromNpy(await toNpy(tensor([1, 2]).add(1))).dataSync()], [2, 3]);
  });

  it("refuses to write bf16, and names safetensors", async () => {
    await assert.rejects(toNpy(tensor(new Uint16Array(3), [3], "bf16")), new ArgumentError(`toNpy: bf16[3] has no place in an .npy file, since NumPy has no bf16: write it with writeSafetensors, or convert it with .to("f32")`));
  });

  const cases: readonly (readonly [string, Uint8Array, string])[] = [
    ["empty", new Uint8Array(), `x: not an .npy file: it begins with nothing, not with 93 4e 55 4d 50 59 ("\\x93NUMPY")`],
    ["foreign", Uint8Array.of(0x50, 0x4b, 3, 4, 5, 6, 7), `x: not an .npy file: it begins with 50 4b 03 04 05 06, not with 93 4e 55 4d 50 59 ("\\x93NUMPY")`],
    ["no version", npyFile("").subarray(0, 7), "x: version 1.(none) of the .npy format is not known: there are 1.0, 2.0 and 3.0"],
    ["version 4", npyFile(header("'<f4'", "()"), 4, 4), "x: version 4.0 of the .npy format is not known: there are 1.0, 2.0 and 3.0"],
    ["no length", npyFile("").subarray(0, 9), "x: truncated: the length of the header ends at byte 10, and there are 9 bytes"],
    ["half a header", npyFile(header("'<f4'", "()")).subarray(0, 30), "x: truncated: the header ends at byte 65, and there are 30 bytes"],
    ["a header of 4 GB", npyFile("", 0, 2).fill(255, 8, 12), "x: damaged: the header would have 4294967295 bytes, and no array has a header of more than 65536"],
    ["no Python", npyFile("descr = 3"), `x: the header is no dictionary of Python: there is "descr" at character 5, in "descr = 3"`],
    ["no end", npyFile("{'descr': '<f4'"), `x: the header is no dictionary of Python: there is the end where , should be at character 15, in "{'descr': '<f4'"`],
    ["something behind", npyFile(`${header("'<f4'", "()")} 3`, 4), `x: the header is no dictionary of Python: there is something else at character 57, in "se, 'shape': (), } 3"`],
    ["a key twice", npyFile("{'descr': 1, 'descr': 2}"), `x: the header is no dictionary of Python: there is the key "descr" for the second time at character 20, in "{'descr': 1, 'descr': 2}"`],
    ["a deep header", npyFile("[".repeat(60_000)), `x: the header is no dictionary of Python: there is more than 16 brackets in brackets at character 18, in "${"[".repeat(38)}"`],
    ["a string without an end", npyFile(`{'${"a\\\\".repeat(20_000)}`), `x: the header is no dictionary of Python: there is something that is no literal at character 1, in "{'${"a\\\\\\\\".repeat(6)}a"`],
    ["a key too many", npyFile("{'descr': '<f4', 'fortran_order': False, 'shape': (), 'more': None}"), `x: the header must say descr, fortran_order (True or False) and shape (a tuple) and nothing else; it says "descr", "fortran_order", "shape", "more"`],
    ["an order that is none", npyFile(header("'<f4'", "()", "0")), `x: the header must say descr, fortran_order (True or False) and shape (a tuple) and nothing else; it says "descr", "fortran_order", "shape"`],
    ["a negative size", npyFile(header("'<f4'", "(-1,)")), "x: the shape must be sizes, whole numbers from 0 to 2^53"],
    ["65 axes", npyFile(header("'<f4'", `(${"1,".repeat(65)})`), 4), "x: the array has 65 axes, and NumPy has none of more than 64"],
    ["sizes over 2^53", npyFile(header("'<f8'", "(1000000000, 1000000000)")), "x: f64[1000000000,1000000000] has more than 2^53 bytes"],
    ["too few elements", npyFile(header("'<f4'", "(2, 3)"), 23), "x: truncated: f32[2,3] takes 24 bytes after the header, and there are 23"],
    ["too many elements", npyFile(header("'<f4'", "(2, 3)"), 25), "x: too long: f32[2,3] takes 24 bytes after the header, and there are 25"],
    ["a dtype of nobody", npyFile(header("'<f16'", "()"), 16), `x: its dtype is "<f16", which no tensor here can hold: convert it first, with .astype, to float64, float32, float16, int64, int32, int8, uint32, uint8 or bool`],
    ["no order of bytes", npyFile(header("'|f4'", "()"), 4), `x: its dtype is "|f4", which no tensor here can hold: convert it first, with .astype, to float64, float32, float16, int64, int32, int8, uint32, uint8 or bool`],
    ["a bool that is none", npyFile(header("'|b1'", "(2,)"), [1, 3]), "x: element 1 is 3, and a bool is 0 or 1"],
  ];
  for (const [what, bytes, message] of cases) {
    it(`refuses a damaged file: ${what}`, () => assert.throws(() => fromNpy(bytes, "x"), new DataFormatError(message)));
  }
});
