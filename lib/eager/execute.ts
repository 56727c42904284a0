/** One computation on tensors, now: where it runs, and the handles of what it gives. */

import { type Device, type DeviceBuffer, DeviceError, type PreparedPlan, tensorBrand } from "tsdlc-runtime";
import { deviceInUse, present, typeOf } from "tsdlc-runtime/library";
import { at } from "../../ir/expect.ts";
import { type AnyTensor, makeHandle } from "./handles.ts";
import type { Computation } from "./computation.ts";
import type { TensorFacts } from "./generalize.ts";
import { usualDevice } from "./host.ts";
import { needsCompiler, prepare } from "./kernels.ts";
import { isAwaited, operandOn, putOff, runPutOffs } from "./pending.ts";
import { noteInScope } from "./scope.ts";
import { isTaping, writeOnTapes } from "./tape.ts";
import { currentTrace } from "./trace.ts";

/** A computation with sizes, and what it was prepared to on the device that ran it last. */
export interface Application {
  readonly computation: Computation;
  readonly sizes: readonly number[];
  readonly results: readonly TensorFacts[];
  prepared?: { readonly device: Device; readonly plan: PreparedPlan };
}

/** Queues the computation, or writes it into the open trace, and returns handles of its results. Throws before anything has changed. */
export function execute(application: Application, inputs: readonly AnyTensor[], name: string): readonly AnyTensor[] {
  const trace = currentTrace();
  const outputs = trace === undefined ? run(application, inputs, name) : trace.inline(application.computation, inputs, application.results);
  if (isTaping()) writeOnTapes({ computation: application.computation, sizes: application.sizes, inputs, outputs });
  return outputs;
}

function run(application: Application, inputs: readonly AnyTensor[], name: string): readonly AnyTensor[] {
  const device = deviceOf(inputs, name);
  // What consumes operands comes after what reads them, and says at once which it may not consume.
  const isConsuming = application.computation.donated.size > 0;
  if (isConsuming) runPutOffs();
  else if (isAwaited(inputs)) return made(putOff(application, inputs, name, device));
  if (application.prepared?.device !== device) {
    if (!isConsuming && needsCompiler(application.computation, device)) return made(putOff(application, inputs, name, device));
    application.prepared = { device, plan: prepare(application.computation, application.sizes, device) };
  }
  const { plan } = application.prepared;
  const given: DeviceBuffer[] = [];
  for (const input of inputs) given.push(operandOn(device, input));
  const buffers = plan.runSmall?.(given) ?? plan.run(given);
  const outputs: AnyTensor[] = [];
  let next = 0;
  for (const { dtype, shape } of application.results) outputs.push(makeHandle(dtype, shape, { kind: "device", device, buffer: at(buffers, next++) }));
  return made(outputs);
}

function made(outputs: readonly AnyTensor[]): readonly AnyTensor[] {
  noteInScope(outputs);
  return outputs;
}

let chosen: Device | undefined;

/**
 * Runs `body`, whose ops run on this device where their operands are on none; what it returns. For functions that end before
 * they return.
 */
export function withDevice<T>(device: Device, body: () => T): T {
  const outer = chosen;
  chosen = device;
  try {
    return body();
  } finally {
    chosen = outer;
  }
}

/** The device of the operands; for those that no op has used yet, the one opened last. */
export function deviceOf(inputs: readonly AnyTensor[], name: string): Device {
  let found: Device | undefined;
  let position = 0;
  for (const input of inputs) {
    position++;
    const own = input[tensorBrand];
    if (own.kind === "host") continue;
    // Names the operand where it is gone; a good one has no need of the words.
    const state = own.kind === "device" ? own : present(input, `operand ${position} of ${name}, ${typeOf(input)},`);
    if (state.kind === "host") continue;
    if (found !== undefined && state.device !== found) {
      throw new DeviceError(`${name}: operand ${position}, ${typeOf(input)}, is on ${state.device.name} and an operand before it on ${found.name}: bring both to one device`);
    }
    found = state.device;
  }
  return found ?? chosen ?? deviceInUse() ?? usualDevice();
}
