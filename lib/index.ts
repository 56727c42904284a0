/** What users import from "tsdlc". */

export { arange, concat, constant, einsum, full, ones, onesLike, stack, where, zeros, zerosLike } from "./create.ts";
export { cond, scan, whileLoop } from "./control.ts";
export { withDevice } from "./eager/execute.ts";
export { scope } from "./eager/scope.ts";
export { tensor } from "./from-data.ts";
export { customGrad, grad, jvp, stopGradient, valueAndGrad } from "./grad.ts";
export * as initial from "./initial.ts";
export { type Explanation, jit, type JitOptions } from "./jit.ts";
export { embedding, layerNorm, linear, rmsNorm } from "./layer.ts";
export { model, type Argument, type Model, type ModelOptions, type Result } from "./model.ts";
export * as optim from "./optim.ts";
export * as random from "./random.ts";
export type { Dim, DTypeName, Shape, ShapeError } from "./shape.ts";
export { Tensor, type Float, type Integer, type Numeric } from "./tensor.ts";
export { mapTree } from "./tree.ts";
export { vmap } from "./vmap.ts";
export {
  type Device, device, type DeviceList, devices, type LineMemory, memory, type MemoryReport, type TypedArray, TsdlcError,
} from "tsdlc-runtime";
