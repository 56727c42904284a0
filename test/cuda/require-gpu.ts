/** For runs that are about a GPU: says once what there is, or ends the run with the reason why there is none. */

import { createCudaDevice } from "../../runtime/cuda-device.ts";
import { cudaCompilerIdentity } from "../../runtime/cuda-toolchain.ts";
import { isRealCuda } from "../require-device.ts";

export async function mochaGlobalSetup(): Promise<void> {
  if (!isRealCuda()) throw new Error("these tests are for a GPU: set TSDLC_TEST_CUDA=real, as npm run test:cuda does");
  const { properties } = await createCudaDevice();
  const compiler = await cudaCompilerIdentity();
  if (compiler === undefined) throw new Error("there is no CUDA compiler for the tests: install NVRTC, and name its library in TSDLC_NVRTC if it is not found");
  console.log(`on ${properties.name}, sm_${properties.major}${properties.minor}, driver for CUDA ${properties.driverVersion}, ${compiler}`);
}
