/** The device that ops run on when nobody opened one, in Node. Bundlers for browsers take host-browser.ts in its place. */

import type { Device } from "tsdlc-runtime";
import { cpuDevice } from "tsdlc-runtime/cpu";

export function usualDevice(): Device {
  return cpuDevice();
}
