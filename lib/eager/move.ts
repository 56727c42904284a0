/** Tensors from one device to another. */

import { type Device, DeviceError, tensorBrand } from "tsdlc-runtime";
import { bytesOf, bytesPerElement, present, typeOf, viewBytes } from "tsdlc-runtime/library";
import { type AnyTensor, makeHandle } from "./handles.ts";
import { dispatch } from "./dispatch.ts";
import { noteInScope } from "./scope.ts";
import { isTaping, writeOnTapes } from "./tape.ts";

/** A tensor with the same elements on the device. Throws a DeviceError where the bytes cannot be had without waiting. */
export function moveTo<Moved>(tensor: AnyTensor, device: Device): Moved;
export function moveTo(tensor: AnyTensor, device: Device): AnyTensor {
  const state = present(tensor);
  if (state.kind === "device" && state.device === device) return dispatch("reshape", [tensor, tensor.shape]) as AnyTensor;
  const moved: AnyTensor = makeHandle(tensor.dtype, tensor.shape, { kind: "device", device, buffer: device.write(bytesOn(tensor), tensor.dtype) });
  noteInScope([moved]);
  if (isTaping()) {
    const back = state.kind === "device" ? state.device : undefined;
    writeOnTapes({ name: "to", inputs: [tensor], outputs: [moved], pull: ([cotangent]) => [cotangent === undefined || back === undefined ? cotangent : moveTo<AnyTensor>(cotangent, back)] });
  }
  return moved;
}

function bytesOn(tensor: AnyTensor): Uint8Array {
  const state = tensor[tensorBrand];
  if (state.kind === "host") return bytesOf(state.data);
  if (state.kind !== "device" || state.device.readSync === undefined) {
    throw new DeviceError(`${typeOf(tensor)} is on ${tensor.device}, which cannot be read without waiting: write tensor(await x.data(), x.shape, x.dtype)`);
  }
  const bytes = state.device.readSync(state.buffer, tensor.size * bytesPerElement(tensor.dtype), tensor.dtype);
  return bytesOf(viewBytes(tensor.dtype, bytes));
}
