/**
 * Ops that wait for their kernels, so that one run of a compiler serves many of them.
 *
 * An op whose computation must be compiled is put off, and so is what takes its results; the program goes on with handles
 * that have a shape and no memory yet. Whoever touches their memory, by reading, by disposing of an operand or in a call
 * of a built program, has all of them compiled together and run in their order first; the end of the current turn does
 * it too. So nothing can be told apart from ops that ran at once, but by the time it takes.
 */

import { type Device, type DeviceBuffer, tensorBrand, type TensorState } from "tsdlc-runtime";
import { bufferOn } from "tsdlc-runtime/library";
import { at } from "../../ir/expect.ts";
import type { Application } from "./execute.ts";
import { faultOf } from "./faults.ts";
import { type AnyTensor, makeHandle } from "./handles.ts";
import { compileTogether, prepare } from "./kernels.ts";

interface PutOff {
  readonly application: Application;
  readonly device: Device;
  readonly name: string;
  readonly inputs: readonly (DeviceBuffer | Awaited)[];
  readonly outputs: readonly Awaited[];
}

/** Ops beyond which nothing more is put off: they hold memory. */
const most = 128;

let putOffs: PutOff[] = [];
/** Operands that have memory, whose handles must not release it before. */
let held: { readonly handle: AnyTensor; readonly state: Held; readonly own: TensorState }[] = [];

/** The state of a result that is not there yet. */
class Awaited {
  readonly kind = "device";
  readonly device: Device;
  handle: AnyTensor | undefined;
  outcome: { readonly buffer: DeviceBuffer } | { readonly error: unknown } | undefined;

  constructor(device: Device) {
    this.device = device;
  }

  get buffer(): DeviceBuffer {
    if (this.outcome === undefined) runPutOffs();
    if (this.outcome !== undefined && "buffer" in this.outcome) return this.outcome.buffer;
    throw this.outcome?.error ?? new Error("an op that was put off has run");
  }
}

/** The state of an operand whose memory is there. */
class Held {
  readonly kind = "device";
  readonly device: Device;
  /** For those who run ops, and need not wait. */
  readonly own: DeviceBuffer;

  constructor(device: Device, buffer: DeviceBuffer) {
    this.device = device;
    this.own = buffer;
  }

  get buffer(): DeviceBuffer {
    runPutOffs();
    return this.own;
  }
}

/** The buffer of an operand, which is not awaited; that an op which was put off reads it too is no reason to run that one. */
export function operandOn(device: Device, handle: AnyTensor): DeviceBuffer {
  const state = putOffs.length > 0 ? handle[tensorBrand] : undefined;
  return state instanceof Held && state.device === device ? state.own : bufferOn(device, handle, true);
}

/** Whether an op must be put off because an operand is. */
export function isAwaited(inputs: readonly AnyTensor[]): boolean {
  return putOffs.length > 0 && inputs.some((input) => input[tensorBrand] instanceof Awaited);
}

/** Puts the computation off and returns handles of its results. */
export function putOff(application: Application, inputs: readonly AnyTensor[], name: string, device: Device): readonly AnyTensor[] {
  const given = inputs.map((input) => {
    const state = input[tensorBrand];
    return state instanceof Awaited && state.outcome === undefined ? state : hold(input, device);
  });
  const outputs = application.results.map(() => new Awaited(device));
  if (putOffs.length === 0) queueMicrotask(runPutOffs);
  putOffs.push({ application, device, name, inputs: given, outputs });
  const handles = application.results.map(({ dtype, shape }, i) => {
    const state = at(outputs, i);
    return (state.handle = makeHandle(dtype, shape, state));
  });
  if (putOffs.length >= most) runPutOffs();
  return handles;
}

function hold(handle: AnyTensor, device: Device): DeviceBuffer {
  const buffer = operandOn(device, handle);
  const own = handle[tensorBrand];
  if (own instanceof Held) return buffer;
  const state = new Held(device, buffer);
  handle[tensorBrand] = state;
  held.push({ handle, state, own });
  return buffer;
}

/** Compiles and runs all that waits. */
export function runPutOffs(): void {
  if (putOffs.length === 0) return;
  const [works, operands] = [putOffs, held];
  putOffs = [];
  held = [];
  for (const { handle, state, own } of operands) if (handle[tensorBrand] === state) handle[tensorBrand] = own;
  for (const device of new Set(works.map((work) => work.device))) {
    compileTogether(works.filter((work) => work.device === device).map(({ application }) => application.computation), device);
  }
  for (const work of works) runOne(work);
}

function runOne({ application, device, name, inputs, outputs }: PutOff): void {
  try {
    const plan = prepare(application.computation, application.sizes, device);
    const given = inputs.map((input) => (input instanceof Awaited ? input.buffer : input));
    const buffers = plan.runSmall?.(given) ?? plan.run(given);
    outputs.forEach((output, i) => settle(output, { buffer: at(buffers, i) }));
  } catch (thrown) {
    const error = faultOf(name, thrown);
    for (const output of outputs) settle(output, { error });
  }
}

function settle(output: Awaited, outcome: Exclude<Awaited["outcome"], undefined>): void {
  const { handle, device } = output;
  output.outcome = outcome;
  output.handle = undefined;
  // A state without a getter, as all others have it; an error stays where it will be met.
  if (handle?.[tensorBrand] === output && "buffer" in outcome) handle[tensorBrand] = { kind: "device", device, buffer: outcome.buffer };
}
