/** The public face of tsdlc-runtime: tensors, devices, packages and the errors they throw. */

export { type Callable, type TensorMaker } from "./callable.ts";
export {
  type CodeFile, type CodeImage, type Device, device, type DeviceBuffer, type DeviceList, type DeviceModule, devices, type MemoryUse, type PreparedPlan, type ProgramSource,
} from "./device.ts";
export { type TypedArray, type TypedArrays } from "./dtype.ts";
export {
  AddonError, ArgumentError, CompileError, CompilerMissingError, DataFormatError, DeviceError, HandleError, OutOfMemoryError, PackageError,
  PackageForeignError, PackageTruncatedError, PackageVersionError, RunError, TsdlcError,
} from "./errors.ts";
export { memory, type MemoryReport } from "./memory.ts";
export { type LineMemory } from "./memory-lines.ts";
export { bindPrograms, type Functions, loadPackage, type LoadOptions, loadPrograms, type PackageFiles } from "./package.ts";
export { type DTypeName, type PackageManifest, type Program } from "./program.ts";
export {
  type Argument, type Dim, type ErasedShape, hostTensor, type HostTensor, isTensor, type NestedNumbers, type Shape,
  type ShapeOf, Tensor, tensor, tensorBrand, type TensorState,
} from "./tensor.ts";
