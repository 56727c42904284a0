/** What bundlers for browsers take in place of host.ts: nothing there can be opened without waiting. */

import { type Device, DeviceError } from "tsdlc-runtime";

export function usualDevice(): Device {
  throw new DeviceError("no device is open: write await device() before the first op");
}
