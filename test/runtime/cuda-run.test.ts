/** Programs run on the cuda device, on the stand-in driver: what every device must do, blocks of threads, graphs. */

import assert from "node:assert/strict";
import { tensor } from "../../runtime/tensor.ts";
import { runsPrograms } from "./any-device.ts";
import { anyFunction, kernel, launch, program, tensorTree } from "./machine.ts";
import { cudaTitle } from "../require-device.ts";
import { bindCuda } from "./cuda-machine.ts";

const numbers = (count: number, from = 0): Float32Array => Float32Array.from({ length: count }, (_, i) => i + from);

describe(`runtime: running programs on ${cudaTitle()}`, () => {
  runsPrograms((programs, constants) => bindCuda(programs, constants === undefined ? {} : { constants }));

  it("launches blocks of threads", async () => {
    const shape = ["N"];
    const blocks = program({
      name: "blocks", dims: [{ name: "N", min: 0 }],
      parameters: ["x", "y"].map((name) => ({ name, tree: tensorTree("f32", shape), donated: false })),
      result: tensorTree("f32", shape),
      buffers: [
        { dtype: "f32", shape, role: { kind: "parameter", leaf: 0 } },
        { dtype: "f32", shape, role: { kind: "parameter", leaf: 1 } },
        { dtype: "f32", shape, role: { kind: "result" } },
      ],
      kernels: [{ ...kernel("add_blocks", ["floordiv", ["+", "N", 63], 64]), threads: 64 }],
      steps: [launch(0, 0, 1, 2)], resultBuffers: [2],
    });
    const { functions } = await bindCuda([blocks]);
    for (const size of [0, 1, 63, 64, 65, 10_000]) {
      assert.deepEqual(await anyFunction(functions, "blocks")(tensor(numbers(size)), numbers(size, 1)).data(), numbers(size).map((x) => 2 * x + 1));
    }
  });
});
