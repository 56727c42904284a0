/**
 * A Program as a script for the driver: its buffers each an allocation of its own, its steps launches and copies. So
 * emitted programs run with any settings of the stand-in, and under AddressSanitizer, which the runtime's arena would
 * blind: there a buffer lies beside the next.
 *
 * Straight programs only; `if` and `loop` belong to the runtime's own tests.
 */

import { hostArray, type HostArray } from "../../ir/host.ts";
import { decode, encode, viewBytes, bytesPerElement } from "../../runtime/dtype.ts";
import { evaluateFormula } from "../../runtime/formula.ts";
import type { BufferSpec, Program } from "../../runtime/program.ts";

export interface ProgramCall {
  readonly program: Program;
  readonly sizes: Readonly<Record<string, number>>;
  readonly inputs: readonly HostArray[];
}

export interface ProgramScript {
  readonly lines: readonly string[];
  readonly files: Readonly<Record<string, NodeJS.ArrayBufferView>>;
  /** Takes the results of the call from what the script read. */
  readonly results: (read: ReadonlyMap<string, Uint8Array<ArrayBuffer>>) => readonly HostArray[];
}

/** `prefix` keeps the names of several calls in one script apart. The image is loaded under the name "image". */
export function programScript({ program, sizes, inputs }: ProgramCall, prefix: string): ProgramScript {
  const files: Record<string, NodeJS.ArrayBufferView> = {};
  const lines: string[] = [];
  const shapeOf = ({ shape }: BufferSpec): readonly number[] => shape.map((size) => evaluateFormula(size, sizes));
  const bytesOf = (buffer: BufferSpec): number => shapeOf(buffer).reduce((product, size) => product * size, bytesPerElement(buffer.dtype));

  const nameOf = (index: number): string => {
    const role = program.buffers[index]?.role;
    return role?.kind === "alias" ? nameOf(role.of) : `${prefix}.${index}`;
  };
  program.buffers.forEach((buffer, index) => {
    const { role } = buffer;
    if (role.kind === "alias") return;
    if (role.kind === "constant") throw new RangeError(`${program.name} has constants, which a script does not`);
    // Nothing of an empty buffer is read, but a launch names it.
    lines.push(`allocate ${nameOf(index)} ${Math.max(1, bytesOf(buffer))}`);
    const input = role.kind === "parameter" ? inputs[role.leaf] : undefined;
    if (input === undefined || input.data.length === 0) return;
    files[nameOf(index)] = encode(buffer.dtype, input.data);
    lines.push(`write ${nameOf(index)} ${nameOf(index)} -`);
  });

  for (const step of program.steps) {
    if (step.kind === "copy") lines.push(`copy ${nameOf(step.to)} ${nameOf(step.from)} -`);
    if (step.kind === "if" || step.kind === "loop" || step.kind === "repeat") throw new RangeError(`${program.name} has a step "${step.kind}", which a script cannot take`);
    if (step.kind !== "launch") continue;
    const kernel = program.kernels[step.kernel];
    if (kernel?.threads === undefined) throw new RangeError(`${program.name} has no kernel ${step.kernel} with blocks of threads`);
    const grid = evaluateFormula(kernel.grid, sizes);
    if (grid === 0) continue;
    lines.push(`kernel ${kernel.entry} image ${kernel.entry}`);
    const words = [...step.buffers.map(nameOf), ...program.dims.map(({ name }) => `u32:${sizes[name] ?? 0}`)];
    lines.push(`launch ${kernel.entry} ${grid} ${kernel.threads} 0 - ${words.join(" ")}`);
  }

  const read = program.resultBuffers.map((index, i) => ({ index, name: `${prefix}.result${i}` }));
  for (const { index, name } of read) lines.push(`read ${nameOf(index)} ${name} -`);
  program.buffers.forEach(({ role }, index) => {
    if (role.kind !== "alias") lines.push(`free ${nameOf(index)}`);
  });
  return {
    lines,
    files,
    results: (contents) => read.map(({ index, name }) => {
      const buffer = program.buffers[index], bytes = contents.get(name);
      if (buffer === undefined || bytes === undefined) throw new RangeError(`nothing was read for ${name}`);
      const values = viewBytes(buffer.dtype, bytes.buffer.slice(0, bytesOf(buffer)));
      return hostArray(buffer.dtype, shapeOf(buffer), Array.from({ length: values.length }, (_, at) => decode(buffer.dtype, values, at)));
    }),
  };
}
