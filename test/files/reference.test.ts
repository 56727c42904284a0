/** Files that NumPy and safetensors wrote (test/reference/files), read to the last bit; and what they have that we do not. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DataFormatError, fromNpy, openSafetensors, readNpz, readSafetensors } from "../../lib/files/index.ts";
import { facts, readExpected, referenceFolder } from "./file-tensors.ts";

describe("files of NumPy and safetensors", () => {
  const expected = readExpected();

  it("are all here", () => {
    const present = readdirSync(referenceFolder).filter((name) => /[.](npy|npz|safetensors)$/.test(name)).sort();
    assert.deepEqual(present, Object.keys(expected).sort());
    assert.ok(present.length > 35);
  });

  for (const [file, content] of Object.entries(expected)) {
    const path = join(referenceFolder, file);
    const isNpy = file.endsWith(".npy");
    const isNpz = file.endsWith(".npz");
    if (content === "refused") {
      it(`${file} is refused by the name of its dtype`, async () => {
        const reason = /its dtype is (F8_E4M3|U16|"<c8"|"<U2"|"<i2"), which no tensor here can hold: convert it first|an array of records .* save each field/;
        const refused = (error: unknown): boolean => error instanceof DataFormatError && error.message.includes(file) && reason.test(error.message);
        if (isNpz) return assert.rejects(readNpz(readFileSync(path), file), refused);
        assert.throws(() => (isNpy ? fromNpy : readSafetensors)(readFileSync(path), file), refused);
        if (!isNpy) await assert.rejects(openSafetensors(path), refused);
      });
    } else if ("bits" in content) {
      it(`${file} is read`, () => assert.deepEqual(facts(fromNpy(readFileSync(path))), content));
    } else if (isNpz) {
      it(`${file} is read`, async () => {
        const read = await readNpz(readFileSync(path));
        assert.deepEqual([...read.tensors.keys()], Object.keys(content.tensors));
        for (const [name, described] of Object.entries(content.tensors)) assert.deepEqual(facts(await read.read(name)), described);
      });
    } else {
      it(`${file} is read, from bytes and from the disk`, async () => {
        const { tensors, metadata } = readSafetensors(readFileSync(path));
        assert.deepEqual(Object.fromEntries([...tensors].map(([name, tensor]) => [name, facts(tensor)])), content.tensors);
        assert.deepEqual(Object.fromEntries(metadata), content.metadata);
        await using open = await openSafetensors(path);
        assert.deepEqual(Object.fromEntries(open.metadata), content.metadata);
        assert.deepEqual([...open.tensors.keys()], [...tensors.keys()]);
        for (const [name, described] of Object.entries(content.tensors)) assert.deepEqual(facts(await open.read(name)), described);
      });
    }
  }
});
