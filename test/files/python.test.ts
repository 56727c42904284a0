/**
 * Files that we wrote, read by NumPy and safetensors themselves. They are not part of `npm test`'s machine: set
 * TSDLC_TEST_PYTHON to a Python that has test/reference/files/requirements.txt.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { saveCheckpoint, toNpy, toNpz, writeSafetensors } from "../../lib/files/index.ts";
import { anyTensor, dtypes, facts, referenceFolder } from "./file-tensors.ts";

describe("files of ours in Python", function () {
  this.timeout(120_000);
  const python = process.env["TSDLC_TEST_PYTHON"] ?? "";
  before(function () {
    if (python !== "") return;
    console.log("      skipped: TSDLC_TEST_PYTHON names no Python that has numpy and safetensors");
    this.skip();
  });

  it("are what they were written as", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tsdlc-python-"));
    try {
      const tensors = fc.sample(anyTensor, { numRuns: 120, seed: 4 });
      assert.deepEqual(new Set(tensors.map(({ dtype }) => dtype)), new Set(dtypes));
      const expected: Record<string, unknown> = {};
      for (const [i, one] of tensors.entries()) {
        if (one.dtype === "bf16") continue;
        writeFileSync(join(folder, `${i}.npy`), await toNpy(one));
        expected[`${i}.npy`] = facts(one);
      }
      const named = Object.fromEntries(tensors.map((one, i) => [`größe.${i}`, one]));
      const metadata = { format: "np", note: "two\nlines ☃ \"quoted\"" };
      await writeSafetensors(join(folder, "all.safetensors"), named, metadata);
      expected["all.safetensors"] = { metadata, tensors: Object.fromEntries(Object.entries(named).map(([name, one]) => [name, facts(one)])) };
      const inNumpy = Object.fromEntries(Object.entries(named).filter(([, one]) => one.dtype !== "bf16"));
      for (const [file, compress] of [["stored.npz", false], ["compressed.npz", true]] as const) {
        writeFileSync(join(folder, file), await toNpz(inNumpy, { compress }));
        expected[file] = { metadata: {}, tensors: Object.fromEntries(Object.entries(inNumpy).map(([name, one]) => [name, facts(one)])) };
      }
      await writeSafetensors(join(folder, "none.safetensors"), {});
      expected["none.safetensors"] = { metadata: {}, tensors: {} };
      await saveCheckpoint(join(folder, "run.safetensors"), { params: tensors.slice(0, 3), step: 3 });
      expected["run.safetensors"] = {
        metadata: { "tsdlc.checkpoint": "1", "tsdlc.tree": `{"fields":{"params":[{"tensor":"params.0"},{"tensor":"params.1"},{"tensor":"params.2"}],"step":3}}` },
        tensors: Object.fromEntries(tensors.slice(0, 3).map((one, i) => [`params.${i}`, facts(one)])),
      };
      const found = JSON.parse(execFileSync(python, [join(referenceFolder, "generate.py"), folder], { encoding: "utf8", maxBuffer: 2 ** 26 })) as unknown;
      assert.deepEqual(found, expected);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
