/**
 * Runs of one prepared plan on WebGPU: a run is the storages of the plan's roots, encoded into one command buffer and
 * submitted once.
 *
 * A plan that branches is cut where it reads a condition: the run submits what it has, reads the condition back, and
 * goes on; runs queued after it wait (webgpu-queue.ts). What went wrong is known later, and marks the run's results.
 */

import { type DeviceBuffer, type PreparedPlan, SharedDonation } from "./device.ts";
import { RunError } from "./errors.ts";
import type { Plan } from "./plan.ts";
import { boundBytes } from "./webgpu-elements.ts";
import { type Faults, wordsOf } from "./webgpu-faults.ts";
import { bufferUsage, failureOf, mapForReading, type Storage, type WebGpuMemory } from "./webgpu-memory.ts";
import type { Operation, Place, Roots } from "./webgpu-prepare.ts";
import type { RunQueue } from "./webgpu-queue.ts";
import { RunStack } from "./webgpu-stack.ts";

export interface RunTarget {
  readonly device: GPUDevice;
  readonly faults: Faults;
  readonly memory: WebGpuMemory;
  readonly queue: RunQueue;
  readonly description: string;
}

/** Bind groups kept for one launch; runs that take turns with their buffers need a few. */
const bindGroupsKept = 16;

interface Run {
  /** Those of the plan's roots, and then what its stacks have grown by. */
  readonly storages: Storage[];
  readonly stacks: Map<number, RunStack>;
  /** Next operation. */
  position: number;
  failure: Error | undefined;
}

interface Branch {
  /** Holds the condition, once it is mapped. */
  readonly staging: GPUBuffer;
  readonly mapped: Promise<void>;
  readonly otherwise: number;
}

export class PlannedRun implements PreparedPlan {
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
    const run: Run = { storages: [...storages, ...own, ...constants], stacks: new Map(), position: 0, failure: undefined };
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
    const { parameterDonated } = this.#plan;
    if (!parameterDonated.includes(true)) return;
    const leaves = new Map<Storage, number>();
    storages.forEach((storage, leaf) => {
      const other = leaves.get(storage);
      if (other === undefined) leaves.set(storage, leaf);
      else if (parameterDonated[leaf]) throw new SharedDonation(leaf, other);
      else if (parameterDonated[other]) throw new SharedDonation(other, leaf);
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
        await faults.orLost(branch.mapped);
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
    const staging = stop === undefined ? undefined : this.#copyCondition(run, encoder, stop.condition);
    device.queue.submit([encoder.finish()]);
    return stop === undefined || staging === undefined ? undefined : { staging, mapped: staging.mapAsync(mapForReading), otherwise: stop.otherwise };
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
        this.#move(run, encoder, operation);
        run.position++;
      }
    }
  }

  #move(run: Run, encoder: GPUCommandEncoder, operation: Exclude<Operation, { readonly kind: "launch" | "branch" | "jump" }>): void {
    if (operation.kind === "copy") {
      const { from, to } = operation;
      return encoder.copyBufferToBuffer(bufferAt(run, from.root), 0, bufferAt(run, to.root), 0, from.bytes);
    }
    const stack = run.stacks.get(operation.stack) ?? new RunStack();
    run.stacks.set(operation.stack, stack);
    if (operation.kind === "clear") return stack.clear();
    const { root, bytes } = operation.place;
    if (operation.kind === "push") {
      const { storage, offset, isFresh } = stack.push(bytes, (size) => this.#target.memory.allocate(size));
      // Goes back to the pool when the run ends, as its other memory does.
      if (isFresh) run.storages.push(storage);
      return encoder.copyBufferToBuffer(bufferAt(run, root), 0, storage.block.buffer, offset, bytes);
    }
    const { storage, offset } = stack.pop(bytes);
    encoder.copyBufferToBuffer(storage.block.buffer, offset, bufferAt(run, root), 0, bytes);
  }

  #bindGroup(run: Run, { pipeline: { layout }, places, groups }: Operation & { readonly kind: "launch" }): GPUBindGroup {
    const key = places.map(({ root }) => storageAt(run, root).block.id).join();
    const present = groups.get(key);
    if (present !== undefined) return present;
    const entries: GPUBindGroupEntry[] = places.map(({ root, bytes }, binding) => ({ binding, resource: { buffer: bufferAt(run, root), size: boundBytes(bytes) } }));
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
    if (error !== undefined) run.failure ??= new RunError(`${this.#name}: the run failed on webgpu (${this.#target.description}): ${wordsOf(error)}`);
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

function storageAt(run: Run, root: number): Storage {
  const storage = run.storages[root];
  if (storage === undefined) throw new RangeError(`a run has ${run.storages.length} storages, not ${root + 1}`);
  return storage;
}

function bufferAt(run: Run, root: number): GPUBuffer {
  return storageAt(run, root).block.buffer;
}
