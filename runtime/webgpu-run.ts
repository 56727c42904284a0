/**
 * One prepared plan on WebGPU: a run is encoded into one command buffer and submitted once.
 *
 * What a plan counts in buffers is here a list of roots (parameters, results, slots of temporaries, constants), and a
 * run is the storages of those roots. A plan that branches is cut where it reads a condition: the run submits what it
 * has, reads the condition back, and goes on; runs queued after it wait (webgpu-queue.ts).
 */

import { type DeviceBuffer, type PreparedPlan, SharedDonation } from "./device.ts";
import { DeviceError, OutOfMemoryError, PackageError, RunError } from "./errors.ts";
import { instructions, type Plan } from "./plan.ts";
import type { DTypeName, KernelSpec, Program } from "./program.ts";
import { deviceBytes } from "./webgpu-elements.ts";
import type { Faults } from "./webgpu-faults.ts";
import { bufferUsage, failureOf, mapForReading, type Storage, type WebGpuMemory } from "./webgpu-memory.ts";
import type { Pipeline, Pipelines } from "./webgpu-module.ts";
import type { RunQueue } from "./webgpu-queue.ts";
import { assignSlots } from "./webgpu-slots.ts";

export interface RunTarget {
  readonly device: GPUDevice;
  readonly faults: Faults;
  readonly memory: WebGpuMemory;
  readonly queue: RunQueue;
  readonly description: string;
  /** The storage of constants at an offset of the package's, in the device's layout; it stays the module's own. */
  readonly constant: (offset: number, bytes: number, dtype: DTypeName) => Storage;
}

/** Workgroups along one axis of a dispatch: the default limit of WebGPU, which the kernels' text counts on. */
const groupsAcross = 65_535;

/** Bind groups kept for one launch; runs that take turns with their buffers need a few. */
const bindGroupsKept = 16;

/** A buffer of the program: some bytes of a root. */
interface Place {
  readonly root: number;
  readonly bytes: number;
}

type Operation =
  | { readonly kind: "launch"; readonly pipeline: Pipeline; readonly across: number; readonly down: number; readonly places: readonly Place[]; readonly groups: Map<string, GPUBindGroup> }
  | { readonly kind: "copy"; readonly from: Place; readonly to: Place }
  | { readonly kind: "branch"; readonly condition: Place; readonly otherwise: number }
  | { readonly kind: "jump"; readonly to: number };

/** Positions in the list of roots, which starts with the parameters. */
interface Roots {
  readonly results: readonly number[];
  /** Bytes of the slots, which follow the results. */
  readonly slots: readonly number[];
  readonly constants: readonly Storage[];
}

interface Run {
  readonly storages: Storage[];
  /** Next operation. */
  position: number;
  failure: Error | undefined;
}

export function prepareRun(program: Program, plan: Plan, pipelines: Pipelines, target: RunTarget): PreparedPlan {
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
function decode(program: Program, { code, kernels }: Plan, placeOf: (index: number) => Place, pipelines: Pipelines, target: RunTarget): readonly Operation[] {
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
  const large = places.find(({ bytes }) => bytes > limit);
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

class PlannedRun implements PreparedPlan {
  readonly #name: string;
  readonly #plan: Plan;
  readonly #operations: readonly Operation[];
  readonly #roots: Roots;
  readonly #resultBytes: readonly number[];
  readonly #uniform: GPUBuffer | undefined;
  readonly #target: RunTarget;

  constructor(name: string, plan: Plan, operations: readonly Operation[], roots: Roots, resultBytes: readonly number[], uniform: GPUBuffer | undefined, target: RunTarget) {
    this.#name = name;
    this.#plan = plan;
    this.#operations = operations;
    this.#roots = roots;
    this.#resultBytes = resultBytes;
    this.#uniform = uniform;
    this.#target = target;
  }

  run(inputs: readonly DeviceBuffer[]): readonly DeviceBuffer[] {
    const { memory, faults, queue } = this.#target;
    faults.requireDevice();
    const storages = inputs.map((input) => memory.storageOf(input));
    this.#requireOwnDonations(storages);
    const { slots, constants } = this.#roots;
    const own: Storage[] = [];
    try {
      for (const bytes of [...this.#resultBytes, ...slots]) own.push(memory.allocate(bytes));
    } catch (error) {
      for (const storage of own) memory.release(storage);
      throw error;
    }
    const run: Run = { storages: [...storages, ...own, ...constants], position: 0, failure: undefined };
    for (const storage of [...storages, ...constants]) memory.retain(storage);
    const handles = this.#roots.results.map((root) => memory.handle(memory.retain(storageAt(run, root))));
    inputs.forEach((input, leaf) => {
      if (this.#plan.parameterDonated[leaf]) memory.releaseHandle(input);
    });
    queue.add(() => this.#start(run));
    return handles;
  }

  /** Throws when the memory of a donated leaf is passed as another leaf too. */
  #requireOwnDonations(storages: readonly Storage[]): void {
    this.#plan.parameterDonated.forEach((donated, leaf) => {
      const other = donated ? storages.findIndex((storage, i) => i !== leaf && storage === storages[leaf]) : -1;
      if (other >= 0) throw new SharedDonation(leaf, other);
    });
  }

  /** A promise only when the run has to wait for a condition. */
  #start(run: Run): Promise<void> | undefined {
    const branch = this.#submit(run);
    if (branch === undefined) return undefined;
    return this.#goOn(run, branch);
  }

  async #goOn(run: Run, first: Branch): Promise<void> {
    const { faults } = this.#target;
    for (let branch: Branch | undefined = first; branch !== undefined;) {
      let isTrue = false;
      try {
        await faults.orLost(branch.staging.mapAsync(mapForReading));
        await faults.settled();
        isTrue = new Uint32Array(branch.staging.getMappedRange())[0] !== 0;
      } catch (error) {
        await faults.settled();
        run.failure ??= error instanceof Error ? error : new RunError(String(error));
      }
      branch.staging.destroy();
      // The condition of a run that failed says nothing: a loop might never end.
      if (run.failure !== undefined || faults.isLost) return this.#end(run);
      run.position = isTrue ? run.position + 1 : branch.otherwise;
      branch = this.#submit(run);
    }
  }

  /** Encodes and submits up to the next condition, which it copies to where it can be read, or to the end. */
  #submit(run: Run): Branch | undefined {
    let branch: Branch | undefined;
    try {
      branch = this.#target.faults.guard(["out-of-memory", "validation"], () => this.#encodeAndSubmit(run), ([error]) => this.#settle(run, error));
    } catch (error) {
      // The results are handed out already: they say it.
      run.failure = new RunError(`${this.#name}: the run failed on webgpu (${this.#target.description}): ${String(error)}`, { cause: error });
    }
    if (branch === undefined) this.#end(run);
    return branch;
  }

  #encodeAndSubmit(run: Run): Branch | undefined {
    const { device } = this.#target;
    const encoder = device.createCommandEncoder({ label: this.#name });
    const stop = this.#encode(run, encoder);
    const branch = stop === undefined ? undefined : { staging: this.#copyCondition(run, encoder, stop.condition), otherwise: stop.otherwise };
    device.queue.submit([encoder.finish()]);
    return branch;
  }

  #encode(run: Run, encoder: GPUCommandEncoder): (Operation & { readonly kind: "branch" }) | undefined {
    let pass: GPUComputePassEncoder | undefined;
    for (;;) {
      const operation = this.#operations[run.position];
      if (operation?.kind === "launch") {
        pass ??= encoder.beginComputePass();
        pass.setPipeline(operation.pipeline.pipeline);
        pass.setBindGroup(0, this.#bindGroup(run, operation));
        pass.dispatchWorkgroups(operation.across, operation.down);
        run.position++;
      } else if (operation?.kind === "jump") {
        run.position = operation.to;
      } else {
        pass?.end();
        pass = undefined;
        if (operation === undefined) return undefined;
        if (operation.kind === "branch") return operation;
        encoder.copyBufferToBuffer(bufferAt(run, operation.from.root), 0, bufferAt(run, operation.to.root), 0, operation.from.bytes);
        run.position++;
      }
    }
  }

  #bindGroup(run: Run, { pipeline: { layout }, places, groups }: Operation & { readonly kind: "launch" }): GPUBindGroup {
    const key = places.map(({ root }) => storageAt(run, root).block.id).join();
    const present = groups.get(key);
    if (present !== undefined) return present;
    const entries: GPUBindGroupEntry[] = places.map(({ root, bytes }, binding) => ({ binding, resource: { buffer: bufferAt(run, root), size: bytes } }));
    if (this.#uniform !== undefined) entries.push({ binding: places.length, resource: { buffer: this.#uniform } });
    const group = this.#target.device.createBindGroup({ layout, entries });
    const oldest = groups.keys().next().value;
    if (groups.size >= bindGroupsKept && oldest !== undefined) groups.delete(oldest);
    groups.set(key, group);
    return group;
  }

  #copyCondition(run: Run, encoder: GPUCommandEncoder, { root }: Place): GPUBuffer {
    const staging = this.#target.device.createBuffer({ size: 4, usage: bufferUsage.mapRead | bufferUsage.copyDestination });
    encoder.copyBufferToBuffer(bufferAt(run, root), 0, staging, 0, 4);
    return staging;
  }

  /** What a submission came to: its own error, or that of the memory or of the runs it relied on. */
  #settle(run: Run, error: GPUError | undefined): void {
    run.failure ??= run.storages.map(failureOf).find((failure) => failure !== undefined);
    if (error !== undefined) run.failure ??= new RunError(`${this.#name}: the run failed on webgpu (${this.#target.description}): ${error.message.trim()}`);
    if (run.failure !== undefined) this.#fail(run, run.failure);
  }

  #fail(run: Run, failure: Error): void {
    const first = this.#plan.parameters.length;
    for (const storage of run.storages.slice(first, first + this.#resultBytes.length)) storage.failure ??= failure;
  }

  /** Everything is submitted: what only this run needed goes back, in the order of the queue. */
  #end(run: Run): void {
    if (run.failure !== undefined) this.#fail(run, run.failure);
    for (const storage of run.storages) this.#target.memory.release(storage);
  }
}

interface Branch {
  readonly staging: GPUBuffer;
  readonly otherwise: number;
}

function storageAt(run: Run, root: number): Storage {
  const storage = run.storages[root];
  if (storage === undefined) throw new RangeError(`a run has ${run.storages.length} storages, not ${root + 1}`);
  return storage;
}

function bufferAt(run: Run, root: number): GPUBuffer {
  return storageAt(run, root).block.buffer;
}
