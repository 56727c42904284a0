/**
 * A program on a device, as the JavaScript function a user calls.
 *
 * A call reads its arguments, finds or makes the plan for their sizes, brings what is still on the host to the device,
 * queues the run and wraps the handles it returns. Until the run is queued nothing that the caller holds has changed;
 * after it nothing can fail any more except the run itself, which its results report when they are read.
 */

import { ArgumentReader, type LeafValue } from "./arguments.ts";
import { type Device, type DeviceBuffer, type DeviceModule, isSharedDonation, type PreparedPlan } from "./device.ts";
import { bytesOf, encode } from "./dtype.ts";
import { ArgumentError } from "./errors.ts";
import { evaluateFormula, printFormula, type Sizes } from "./formula.ts";
import { recorder } from "./memory-lines.ts";
import { type Plan, type PlannedTensor, planOf } from "./plan.ts";
import type { DTypeName, Guard, Mutation, Program } from "./program.ts";
import { bufferOn, donatedTo, isTensor, type Shape, Tensor, tensorBrand } from "./tensor.ts";
import { unflatten } from "./tree.ts";

/** A program as a function from argument trees to a result tree. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- its types are the package's index.d.ts
export type Callable = (...args: any[]) => any;

/** Makes the handle of a result; the library makes its own class, which has methods. */
export type TensorMaker = (dtype: DTypeName, shape: readonly number[], device: Device, buffer: DeviceBuffer) => Tensor<Shape, DTypeName>;

/** Plans kept for each function, by sizes; a program called with ever new sizes must not grow for ever. */
const plansKept = 64;

interface Prepared {
  readonly plan: Plan;
  readonly run: PreparedPlan;
}

export function makeTensor(dtype: DTypeName, shape: readonly number[], device: Device, buffer: DeviceBuffer): Tensor<Shape, DTypeName> {
  return new Tensor(dtype, shape, { kind: "device", device, buffer });
}

export function callable(program: Program, module: DeviceModule, device: Device, make: TensorMaker = makeTensor): Callable {
  const reader = new ArgumentReader(program);
  const plans = new Map<string, Prepared>();
  const donates = program.parameters.some(({ donated }) => donated);

  const prepare = (sizes: readonly number[]): Prepared => {
    const key = sizes.join();
    const present = plans.get(key);
    if (present !== undefined) return present;
    checkSizes(program, sizes);
    const plan = planOf(program, sizes, device.alignment);
    const prepared = { plan, run: module.prepare(program, plan) };
    const oldest = plans.keys().next().value;
    if (plans.size >= plansKept && oldest !== undefined) plans.delete(oldest);
    plans.set(key, prepared);
    return prepared;
  };

  const call = (...args: unknown[]): unknown => {
    const values = reader.read(args, device);
    const { plan, run } = prepare(reader.solve(values));
    reader.check(values, plan.parameters);
    for (const mutation of program.mutations) requireWritable(program, args, mutation);
    const outputs = runOn(program, reader, plan, run, values, device);
    if (donates) endDonated(program, reader, values, call);
    let next = 0;
    const wrap = (): Tensor<Shape, DTypeName> => {
      const { dtype, shape } = plan.results[next] as PlannedTensor;
      return make(dtype, shape, device, outputs[next++] as DeviceBuffer);
    };
    const result = unflatten(program.result, wrap);
    if (program.mutations.length > 0) {
      const written = outputs.slice(next).map(wrap);
      const first = outputs.length - written.length;
      for (const mutation of program.mutations) assignMutation(args, mutation, written[mutation.result - first]);
    }
    return result;
  };
  Object.defineProperty(call, "name", { value: program.name });
  return call;
}

function runOn(
  program: Program,
  reader: ArgumentReader,
  plan: Plan,
  run: PreparedPlan,
  values: readonly LeafValue[],
  device: Device,
): readonly DeviceBuffer[] {
  const inputs: DeviceBuffer[] = [];
  // Copies made for this call only, of typed arrays and numbers.
  const copies: DeviceBuffer[] = [];
  try {
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      if (isTensor(value)) {
        inputs.push(bufferOn(device, value));
        continue;
      }
      const dtype = plan.parameters[i]?.dtype ?? "f32";
      const copy = device.write(bytesOf(typeof value === "object" ? value : encode(dtype, [value ?? 0])), dtype);
      copies.push(copy);
      inputs.push(copy);
    }
    return run.run(inputs);
  } catch (error) {
    if (!isSharedDonation(error)) throw error;
    const [donated, other] = [reader.leaves[error.donatedLeaf]?.path, reader.leaves[error.otherLeaf]?.path];
    throw new ArgumentError(
      `${program.name}: arguments ${donated} and ${other} are the same memory, and ${donated} is donated: ${program.name} may overwrite it; pass a copy as one of them`,
    );
  } finally {
    // The run keeps what it needs.
    for (const copy of copies) device.release(copy);
  }
}

function endDonated(program: Program, reader: ArgumentReader, values: readonly LeafValue[], call: Callable): void {
  const state = donatedTo(program.name, call);
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    const parameter = reader.leaves[i]?.parameter ?? -1;
    if (!program.parameters[parameter]?.donated || !isTensor(value)) continue;
    value[tensorBrand] = state;
    recorder?.remove(value);
  }
}

/** Ranges of the dims and the conditions that could not be proved when the program was built. */
function checkSizes(program: Program, sizes: readonly number[]): void {
  const named: Record<string, number> = {};
  program.dims.forEach(({ name, min, max }, i) => {
    const size = sizes[i] ?? 0;
    named[name] = size;
    if (size < min) throw new ArgumentError(`${program.name}: ${name} is ${size}: it must be at least ${min}`);
    if (max !== undefined && size > max) throw new ArgumentError(`${program.name}: ${name} is ${size}: ${program.name} was built for at most ${max}`);
  });
  for (const guard of program.guards) checkGuard(program, guard, named);
}

function checkGuard(program: Program, { left, relation, right, reason }: Guard, sizes: Sizes): void {
  const [a, b] = [evaluateFormula(left, sizes), evaluateFormula(right, sizes)];
  const holds = relation === "==" ? a === b : relation === "<=" ? a <= b : a < b;
  if (holds) return;
  const given = program.dims.map(({ name }) => `${name} = ${sizes[name]}`).join(", ");
  throw new ArgumentError(
    `${program.name}: with ${given}, ${printFormula(left)} ${relation} ${printFormula(right)} does not hold: ${a} against ${b}; ${reason}`,
  );
}

/** A field that the call will assign must take it: found out before the run, so that a failed call changes nothing. */
function requireWritable({ name, parameters }: Program, args: readonly unknown[], { path: [parameter, ...fields] }: Mutation): void {
  let owner = args[Number(parameter)];
  for (const key of fields.slice(0, -1)) owner = (owner as Readonly<Record<number | string, unknown>>)[key];
  const field = Object.getOwnPropertyDescriptor(owner, fields.at(-1) ?? "");
  if (field === undefined || field.writable === true || field.set !== undefined) return;
  const where = [parameters[Number(parameter)]?.name, ...fields].join(".");
  throw new ArgumentError(`${name}: argument ${where} cannot be assigned, and ${name} assigns it: its object is frozen or read-only; pass a copy, as in { ...object }`);
}

function assignMutation(args: readonly unknown[], { path }: Mutation, value: unknown): void {
  let owner: unknown = args;
  for (const key of path.slice(0, -1)) owner = (owner as Readonly<Record<number | string, unknown>>)[key];
  const last = path.at(-1);
  if (last !== undefined) (owner as Record<number | string, unknown>)[last] = value;
}
