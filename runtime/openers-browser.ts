/**
 * What bundlers for browsers take in place of openers.ts: webgpu alone, imported at once, because a page that runs
 * programs needs it in any case.
 */

import type { Device, DeviceKind, Opener } from "./device.ts";
import { browserHost, webgpuDevice } from "./webgpu-device.ts";

const open = async (): Promise<Device> => webgpuDevice(browserHost());

export const openers: Readonly<Partial<Record<DeviceKind, Opener>>> = { webgpu: { open, openIfWorthwhile: open } };
