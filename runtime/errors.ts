/**
 * Every error the runtime and the library throw on purpose, one class for each thing a caller may want to tell apart. A message says
 * where, the facts with numbers, and what to do; nothing was changed and every handle is still valid after any of them.
 */

export class TsdlcError extends Error {}

/** An argument of a call has the wrong shape, dtype, length, tree or device, or breaks a condition of the program. */
export class ArgumentError extends TsdlcError {}

/** A tensor was used after it was disposed of or donated. */
export class HandleError extends TsdlcError {}

/** The device asked for is not there, or cannot do what was asked. */
export class DeviceError extends TsdlcError {}

/** Devices are shared by copies of this package, and each copy has its own class: the name decides. */
export function isDeviceError(error: unknown): error is DeviceError {
  return error instanceof Error && error.name === "DeviceError";
}

/** A queued run failed; thrown where its results are read. */
export class RunError extends TsdlcError {}

/** There is no memory for a buffer. The process and all other handles go on. */
export class OutOfMemoryError extends RunError {}

/** A package cannot be loaded; one of the classes below, or a package that contradicts itself. */
export class PackageError extends TsdlcError {}

/** A file of the package is missing or ends too early. */
export class PackageTruncatedError extends PackageError {}

/** The folder holds no package of tsdlc, or one that no tier of this machine can run. */
export class PackageForeignError extends PackageError {}

/** The package was written for another version of the Program format. */
export class PackageVersionError extends PackageError {}

/** Bytes of a file, or from a server, that are not what they should be; the message says where and by how much. */
export class DataFormatError extends TsdlcError {}

/** The native addon cannot be compiled or loaded. */
export class AddonError extends TsdlcError {}

/** There is no C compiler on this machine. */
export class CompilerMissingError extends TsdlcError {}

/** A compiler refused a source, the C compiler or the device's; `sourcePath` is where it can be looked at. */
export class CompileError extends TsdlcError {
  readonly sourcePath: string;

  constructor(message: string, sourcePath: string, options?: ErrorOptions) {
    super(message, options);
    this.sourcePath = sourcePath;
  }
}

// Written down, because bundlers shorten the names of classes; on prototypes, because a stack begins with the name.
const classes = {
  TsdlcError, ArgumentError, HandleError, DeviceError, RunError, OutOfMemoryError, PackageError, PackageTruncatedError,
  PackageForeignError, PackageVersionError, DataFormatError, AddonError, CompilerMissingError, CompileError,
};
for (const [name, type] of Object.entries(classes)) Object.defineProperty(type.prototype, "name", { value: name, configurable: true, writable: true });
