/**
 * A plan made ready for WebGPU, once for its sizes: operations on places, with a pipeline and a dispatch for each launch.
 *
 * What a plan counts in buffers is here a list of roots (parameters, results, slots of temporaries, constants), and a
 * place is some bytes of a root. Everything that can be refused because of the sizes is refused here, before a run.
 */

import type { PreparedPlan } from "./device.ts";
import { DeviceError, OutOfMemoryError, PackageError } from "./errors.ts";
import { instructions, type Plan } from "./plan.ts";
import type { DTypeName, KernelSpec, Program } from "./program.ts";
import { boundBytes, deviceBytes } from "./webgpu-elements.ts";
import { bufferUsage, type Storage } from "./webgpu-memory.ts";
import type { Pipeline, Pipelines } from "./webgpu-module.ts";
import { PlannedRun, type RunTarget } from "./webgpu-run.ts";
import { assignSlots } from "./webgpu-slots.ts";

export interface PrepareTarget extends RunTarget {
  /** The storage of constants at an offset of the package's, in the device's layout; it stays the module's own. */
  readonly constant: (offset: number, bytes: number, dtype: DTypeName) => Storage;
}

/** Workgroups along one axis of a dispatch: the default limit of WebGPU, which the kernels' text counts on. */
const groupsAcross = 65_535;

/** A buffer of the program: some bytes of a root. */
export interface Place {
  readonly root: number;
  readonly bytes: number;
}

export type Operation =
  | { readonly kind: "launch"; readonly pipeline: Pipeline; readonly across: number; readonly down: number; readonly places: readonly Place[]; readonly groups: Map<string, GPUBindGroup> }
  | { readonly kind: "copy"; readonly from: Place; readonly to: Place }
  | { readonly kind: "push" | "pop"; readonly stack: number; readonly place: Place }
  | { readonly kind: "clear"; readonly stack: number }
  | { readonly kind: "branch"; readonly condition: Place; readonly otherwise: number }
  | { readonly kind: "jump"; readonly to: number };

/** Positions in the list of roots, which starts with the parameters. */
export interface Roots {
  readonly results: readonly number[];
  /** Bytes of the slots, which follow the results. */
  readonly slots: readonly number[];
  readonly constants: readonly Storage[];
}

export function prepareRun(program: Program, plan: Plan, pipelines: Pipelines, target: PrepareTarget): PreparedPlan {
  const parameters = plan.parameters.length;
  const resultBytes = new Array<number>(plan.allocations.length).fill(4);
  const temporaries = program.buffers.flatMap(({ role, dtype }, index) =>
    role.kind === "temporary" ? [{ index, first: role.first, last: role.last, bytes: deviceBytes(plan.buffers[index]?.bytes ?? 0, dtype) }] : [],
  );
  const slots = assignSlots(temporaries);
  const firstSlot = parameters + resultBytes.length;
  const firstConstant = firstSlot + slots.bytes.length;
  const slotOf = new Map(temporaries.map(({ index }, i) => [index, slots.slotOf[i] ?? 0]));
  const constants: Storage[] = [];
  const places: Place[] = [];
  program.buffers.forEach(({ role, dtype }, index) => {
    const { position = 0, bytes: hostBytes = 0 } = plan.buffers[index] ?? {};
    const bytes = deviceBytes(hostBytes, dtype);
    switch (role.kind) {
      case "parameter":
        return places.push({ root: position, bytes });
      case "result":
        resultBytes[position] = bytes;
        return places.push({ root: parameters + position, bytes });
      case "temporary":
        return places.push({ root: firstSlot + (slotOf.get(index) ?? 0), bytes });
      case "constant":
        return places.push({ root: firstConstant + constants.push(target.constant(position, hostBytes, dtype)) - 1, bytes });
      case "alias":
        return places.push({ root: places[role.of]?.root ?? 0, bytes });
    }
  });
  const placeOf = (index: number): Place => {
    const place = places[index];
    if (place === undefined) throw new PackageError(`the program ${program.name} is broken: it has no buffer ${index}; build it again`);
    return place;
  };
  const operations = decode(program, plan, placeOf, pipelines, target);
  const roots: Roots = { results: program.resultBuffers.map((index) => placeOf(index).root), slots: slots.bytes, constants };
  return new PlannedRun(program.name, plan, operations, roots, resultBytes, uniformOf(program, plan, target), target);
}

/** The plan's code with a position for each operation, so that jumps lead where they did. */
function decode(program: Program, { code, kernels }: Plan, placeOf: (index: number) => Place, pipelines: Pipelines, target: PrepareTarget): readonly Operation[] {
  const operations: Operation[] = [];
  const positions = new Map<number, number>();
  for (let at = 0; at < code.length;) {
    positions.set(at, operations.length);
    const [instruction, first = 0, second = 0] = code.slice(at, at + 3);
    switch (instruction) {
      case instructions.launch: {
        const launch = launchOf(program, first, kernels[first]?.grid ?? 0, code.slice(at + 3, at + 3 + second).map(placeOf), pipelines, target);
        if (launch !== undefined) operations.push(launch);
        at += 3 + second;
        break;
      }
      case instructions.copy: {
        const [from, to] = [placeOf(first), placeOf(second)];
        if (from.bytes !== to.bytes) throw new PackageError(`the program ${program.name} is broken: a copy from ${from.bytes} to ${to.bytes} bytes; build it again`);
        if (from.root !== to.root) operations.push({ kind: "copy", from, to });
        at += 3;
        break;
      }
      case instructions.push:
      case instructions.pop:
        operations.push({ kind: instruction === instructions.push ? "push" : "pop", stack: first, place: placeOf(second) });
        at += 3;
        break;
      case instructions.clear:
        operations.push({ kind: "clear", stack: first });
        at += 2;
        break;
      case instructions.branchIfFalse:
        operations.push({ kind: "branch", condition: placeOf(first), otherwise: second });
        at += 3;
        break;
      case instructions.jump:
        operations.push({ kind: "jump", to: first });
        at += 2;
        break;
      default:
        throw new PackageError(`the program ${program.name} is broken: there is no instruction ${instruction}; build it again`);
    }
  }
  const positionOf = (at: number): number => positions.get(at) ?? operations.length;
  return operations.map((operation) =>
    operation.kind === "branch" ? { ...operation, otherwise: positionOf(operation.otherwise) }
    : operation.kind === "jump" ? { ...operation, to: positionOf(operation.to) }
    : operation,
  );
}

/** A launch, or nothing when its grid is empty. */
function launchOf(program: Program, index: number, grid: number, places: readonly Place[], pipelines: Pipelines, { device, description }: RunTarget): Operation | undefined {
  if (grid === 0) return undefined;
  const kernel = program.kernels[index];
  const pipeline = kernel === undefined ? undefined : pipelines.get(kernel);
  if (kernel === undefined || pipeline === undefined) throw new PackageError(`the program ${program.name} is broken: there is no kernel ${index}; build it again`);
  const where = `${program.name}: the kernel ${kernel.entry} (${kernel.sources.join(", ")})`;
  const down = Math.ceil(grid / groupsAcross);
  if (down > groupsAcross) {
    throw new DeviceError(`${where} has ${grid} blocks, and webgpu runs at most ${groupsAcross ** 2} in one launch: call it with smaller sizes`);
  }
  const limit = device.limits.maxStorageBufferBindingSize;
  const large = places.find(({ bytes }) => boundBytes(bytes) > limit);
  if (large !== undefined) {
    throw new OutOfMemoryError(`${where}: out of memory: a buffer of ${large.bytes} bytes is larger than ${limit} bytes, the most that a kernel can use on webgpu (${description})`);
  }
  requireApart(kernel, places, where);
  return { kind: "launch", pipeline, across: Math.min(grid, groupsAcross), down, places, groups: new Map() };
}

/** WebGPU refuses a launch that writes a buffer which it also binds elsewhere. */
function requireApart({ inputs = 0 }: KernelSpec, places: readonly Place[], where: string): void {
  places.slice(inputs).forEach(({ root }, i) => {
    const position = i + inputs;
    const other = places.findIndex((place, at) => at !== position && place.root === root);
    if (other >= 0) throw new PackageError(`${where} is broken: its buffer ${position} is written and is the same memory as its buffer ${other}; build it again`);
  });
}

/** All dims, once for the plan. */
function uniformOf({ name, dims }: Program, { sizes }: Plan, { device }: RunTarget): GPUBuffer | undefined {
  if (dims.length === 0) return undefined;
  sizes.forEach((size, i) => {
    if (size >= 2 ** 32) throw new DeviceError(`${name}: ${dims[i]?.name} is ${size}: on webgpu a size is less than 2 ** 32`);
  });
  const words = new Uint32Array(Math.ceil(sizes.length / 4) * 4);
  words.set(sizes);
  const buffer = device.createBuffer({ size: words.byteLength, usage: bufferUsage.uniform | bufferUsage.copyDestination });
  device.queue.writeBuffer(buffer, 0, words);
  return buffer;
}
