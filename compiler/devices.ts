/**
 * `tsdlc devices`: what programs can run on here, and why what is missing is missing.
 */

import { type Device, device, TsdlcError } from "tsdlc-runtime";

/** More GPUs than any machine has: the driver says when there are no more. */
const mostGpus = 64;

export async function listDevices(): Promise<string> {
  return [await describe("cpu"), ...(await describeGpus()), await describe("webgpu")].join("\n");
}

async function describeGpus(): Promise<readonly string[]> {
  const texts = [await describe("cuda")];
  for (let ordinal = 1; ordinal < mostGpus && !texts[0]?.includes(absence); ordinal++) {
    const found = await open(`cuda:${ordinal}`);
    if (found instanceof TsdlcError) break;
    texts.push(print(found));
  }
  return texts;
}

const absence = ": not there";

async function describe(name: string): Promise<string> {
  const found = await open(name);
  return found instanceof TsdlcError ? `${name}${absence}\n  ${found.message.replaceAll("\n", "\n  ")}\n` : print(found);
}

async function open(name: string): Promise<Device | TsdlcError> {
  try {
    return await device(name);
  } catch (error) {
    if (error instanceof TsdlcError) return error;
    throw error;
  }
}

function print({ name, facts, features }: Device): string {
  const lines = [...facts, ["features", [...features].join(", ") || "none"] as const];
  const width = Math.max(...lines.map(([what]) => what.length));
  return `${name}\n${lines.map(([what, value]) => `  ${what.padEnd(width)}  ${value}\n`).join("")}`;
}
