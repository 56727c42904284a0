/** Programs run on the cpu device: what every device must do, and the grid over threads. */

import assert from "node:assert/strict";
import { createCpuDevice } from "../../runtime/cpu-device.ts";
import { bindPrograms } from "../../runtime/package.ts";
import { runsPrograms } from "./any-device.ts";
import { anyFunction, bind, kernel, kernels, launch, program, tensorTree } from "./machine.ts";

describe("runtime: running programs", () => {
  runsPrograms(async (programs, constants) => {
    const device = createCpuDevice({ threads: 2 });
    const source = { programs, code: await kernels(), ...(constants === undefined ? {} : { constants }) };
    return { functions: await bindPrograms(source, device), device };
  });

  it("takes each grid iteration exactly once, over any number of threads", async () => {
    const shape = ["N"];
    const counting = program({
      name: "counting", dims: [{ name: "N", min: 0 }],
      parameters: [{ name: "x", tree: tensorTree("i32", shape), donated: true }],
      result: tensorTree("i32", shape),
      buffers: [{ dtype: "i32", shape, role: { kind: "parameter", leaf: 0 } }],
      kernels: [kernel("count", "N", 1000)],
      steps: [launch(0, 0)], resultBuffers: [0],
    });
    for (const threads of [1, 2, 5]) {
      const { functions } = await bind([counting], { threads });
      for (const size of [1, 7, 4097]) {
        for (let turn = 0; turn < 20; turn++) {
          const seen = await anyFunction(functions, "counting")(new Int32Array(size)).data();
          assert.deepEqual(seen, Int32Array.from({ length: size }, (_, i) => i + 1));
        }
      }
    }
  });
});
