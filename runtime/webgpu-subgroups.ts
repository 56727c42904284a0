/**
 * Whether a device has subgroups as kernels for `wgsl-subgroups` rely on them: each 8 neighbouring threads of a
 * workgroup, counted from 0, in one subgroup, in that order. WGSL does not say which threads share a subgroup, so a
 * small kernel tries it before such a tier is taken.
 */

import { wordsOf } from "./webgpu-faults.ts";
import { bufferUsage, mapForReading } from "./webgpu-memory.ts";

const neighbours = 8;
const threads = 256;

const trial = `enable subgroups;
@group(0) @binding(0) var<storage, read_write> right: array<u32, ${threads}>;
@compute @workgroup_size(${threads})
fn trial(@builtin(local_invocation_index) i: u32) {
  let a = subgroupShuffleXor(i, 1u);
  let b = subgroupShuffleXor(i, 2u);
  let c = subgroupShuffleXor(i, 4u);
  right[i] = select(0u, 1u, a == (i ^ 1u) && b == (i ^ 2u) && c == (i ^ 4u));
}`;

/** Why kernels do not use the subgroups of a device; undefined where they do. */
export async function subgroupObstacle(device: GPUDevice, { subgroupMinSize = 0 }: GPUAdapterInfo): Promise<string | undefined> {
  if (!device.features.has("subgroups")) return "the adapter has none";
  if (subgroupMinSize < neighbours) return `of ${subgroupMinSize || "unknown many"} threads, and kernels want ${neighbours}`;
  try {
    return (await isAsTried(device)) ? undefined : "neighbouring threads are not in the same one";
  } catch (error) {
    return `the kernel that tries them fails: ${wordsOf(error) || String(error)}`;
  }
}

async function isAsTried(device: GPUDevice): Promise<boolean> {
  const size = 4 * threads;
  const buffers = [bufferUsage.storage | bufferUsage.copySource, bufferUsage.mapRead | bufferUsage.copyDestination].map((usage) => device.createBuffer({ size, usage }));
  const [results, staging] = buffers as [GPUBuffer, GPUBuffer];
  // What is wrong comes by the promises below.
  device.pushErrorScope("validation");
  try {
    const module = device.createShaderModule({ code: trial });
    const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module, entryPoint: "trial" } });
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer: results } }] }));
    pass.dispatchWorkgroups(1);
    pass.end();
    encoder.copyBufferToBuffer(results, 0, staging, 0, size);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(mapForReading);
    return new Uint32Array(staging.getMappedRange()).every((right) => right === 1);
  } finally {
    // Of a device that was lost it is refused, and nobody waits for it.
    device.popErrorScope().catch(() => null);
    for (const buffer of buffers) buffer.destroy();
  }
}
