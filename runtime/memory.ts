/** What `memory()` tells. */

import { device, deviceInUse, type MemoryUse } from "./device.ts";
import { type LineMemory, recorder, startRecording, stopRecording } from "./memory-lines.ts";

export interface MemoryReport extends MemoryUse {
  /** While lines are recorded: the tensors made since, by the line that made them, the most bytes first. */
  readonly byLine?: readonly LineMemory[];
}

/**
 * Memory of the device that was opened last, by name or by loading a package.
 *
 *     memory.record();
 *     for (const batch of batches) losses.push(step(batch).loss);
 *     console.log(await memory());
 *     // {
 *     //   bytesLive: 4194304, bytesPeak: 9437184, bytesCached: 5242880,
 *     //   byLine: [
 *     //     { line: '/home/me/model.ts:14', bytesLive: 3145728, bytesPeak: 6291456, tensors: 12 },
 *     //     { line: '/home/me/train.ts:40', bytesLive: 4000, bytesPeak: 4000, tensors: 1000 }
 *     //   ]
 *     // }
 *
 * `bytesLive` is of buffers that something refers to; small tensors of the cpu lie together in slabs of 8 KB, which count
 * whole. `byLine` is of tensors on all devices: what several handles share counts for each, and handles that nobody holds
 * count until the collector has come to them. Recording takes a stack for each tensor, about as long as a small op; until
 * `memory.record()` and after `memory.stop()` it costs nothing.
 */
export async function memory(): Promise<MemoryReport> {
  const use = (deviceInUse() ?? (await device())).memory();
  if (recorder === undefined) return use;
  // What was collected is told between two tasks.
  await new Promise((resolve) => setTimeout(resolve, 0));
  return { ...use, byLine: recorder?.lines() ?? [] };
}

/** From here on it is known which line made a tensor. */
memory.record = startRecording;

/** Ends what `memory.record` began, and forgets what it knew. */
memory.stop = stopRecording;
