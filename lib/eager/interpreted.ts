/** Computations by the reference interpreter, for machines without a C compiler: right, and slow. */

import type { Device, DeviceBuffer, PreparedPlan } from "tsdlc-runtime";
import { bytesOf, bytesPerElement, decode, encode, viewBytes } from "tsdlc-runtime/library";
import { evaluateDim } from "../../ir/dim.ts";
import { at } from "../../ir/expect.ts";
import { hostArray, type HostArray } from "../../ir/host.ts";
import { interpret } from "../../ir/interpret.ts";
import type { TensorType } from "../../ir/type.ts";
import type { Computation } from "./computation.ts";

export function interpreted({ func, parameters, dims, donated }: Computation, sizes: readonly number[], device: Device): PreparedPlan {
  const named = Object.fromEntries(dims.map((name, i) => [name, sizes[i] ?? 0]));
  return {
    run: (inputs) => {
      const arrays = parameters.map((type, i) => readArray(device, at(inputs, i), type, named));
      const results = interpret({ functions: [func] }, func.name, arrays, named);
      // They are copies, so nothing takes the memory of what is donated.
      for (const leaf of donated) device.release(at(inputs, leaf));
      return results.map(({ dtype, data }) => device.write(bytesOf(encode(dtype, data)), dtype));
    },
  };
}

function readArray(device: Device, buffer: DeviceBuffer, { dtype, shape }: TensorType, sizes: Readonly<Record<string, number>>): HostArray {
  if (device.readSync === undefined) throw new Error(`${device.name} cannot be read without waiting`);
  const lengths = shape.map((dim) => evaluateDim(dim, sizes));
  const count = lengths.reduce((product, length) => product * length, 1);
  const elements = viewBytes(dtype, device.readSync(buffer, count * bytesPerElement(dtype), dtype));
  return hostArray(dtype, lengths, Array.from({ length: count }, (_, i) => decode(dtype, elements, i)));
}
