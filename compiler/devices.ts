/**
 * `tsdlc devices`: what programs can run on here, and why what is missing is missing.
 */

import { type Device, devices } from "tsdlc-runtime";

export async function listDevices(): Promise<string> {
  const { present, absent } = await devices();
  const texts = new Map([
    ...present.map((device) => [device.name, print(device)] as const),
    ...absent.map(({ name, reason }) => [name, `${name}: not there\n  ${reason.replaceAll("\n", "\n  ")}\n`] as const),
  ]);
  const order = ["cpu", "cuda", "webgpu"];
  const placeOf = (name: string): number => order.findIndex((kind) => name.startsWith(kind));
  return [...texts].sort(([left], [right]) => placeOf(left) - placeOf(right)).map(([, text]) => text).join("\n");
}

function print({ name, facts, features }: Device): string {
  const lines = [...facts, ["features", [...features].join(", ") || "none"] as const];
  const width = Math.max(...lines.map(([what]) => what.length));
  return `${name}\n${lines.map(([what, value]) => `  ${what.padEnd(width)}  ${value}\n`).join("")}`;
}
