/** What bundlers for browsers take in place of host.ts: nothing there can be opened, or read, without waiting. */

import { type Device, DeviceError } from "tsdlc-runtime";

export function usualDevice(): Device {
  throw new DeviceError("no device is open: write await device() before the first op");
}

/** Nothing is kept: what browsers store is read by promises, and an op has no time for one. So each page compiles anew. */
export function keptName(): string {
  return "";
}

export function kept(): string | undefined {
  return undefined;
}

export function keep(): void {
  // See above.
}
