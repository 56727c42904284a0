/** What the library `tsdlc` needs for running ops one by one, beside the public face: the inside of handles and calls. */

export { deviceInUse, isSharedDonation, type ProgramText } from "./device.ts";
export { bytesOf, bytesPerElement, decode, encode, isDType, isTypedArray, type NaturalArray, type NaturalDType, type TypedArrays, viewBytes } from "./dtype.ts";
export { addOwnFolder } from "./memory-lines.ts";
export { planOf } from "./plan.ts";
export { bufferOn, donatedTo, present, siteAbove, type TracedBy, typeOf } from "./tensor.ts";
