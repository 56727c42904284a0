/**
 * What must really run: TSDLC_REQUIRE is a list of cpu, webgpu, browser, cuda-emulated (kernels on the CPU, by g++) and
 * cuda-compiler (NVIDIA's own). A test that finds one of them absent says why, once, and is skipped; when the list names
 * it, that fails the run.
 *
 * TSDLC_TEST_CUDA=real asks for a GPU: tests of CUDA then run on it and on no stand-in, and fail where there is none.
 */

export type Requirable = "cpu" | "webgpu" | "browser" | "cuda-emulated" | "cuda-compiler";

const names: readonly string[] = ["cpu", "webgpu", "browser", "cuda-emulated", "cuda-compiler"] satisfies readonly Requirable[];
const said = new Set<string>();

/** Call where a device is absent. Throws when TSDLC_REQUIRE names it, else prints the reason once. */
export function absent(name: Requirable, reason: string): undefined {
  const required = (process.env["TSDLC_REQUIRE"] ?? "").split(",").filter((part) => part !== "");
  for (const one of required) {
    if (!names.includes(one)) throw new Error(`TSDLC_REQUIRE names "${one}": it is a list of ${names.join(", ")}`);
  }
  if (required.includes(name)) throw new Error(`TSDLC_REQUIRE asks for ${name}, which is not there: ${reason}`);
  if (!said.has(name)) console.warn(`tests on ${name} are skipped: ${reason}`);
  said.add(name);
  return undefined;
}

/** Whether a GPU is asked for, in place of a stand-in. */
export function isRealCuda(): boolean {
  const asked = process.env["TSDLC_TEST_CUDA"] ?? "";
  if (asked !== "" && asked !== "real") throw new Error(`TSDLC_TEST_CUDA is "${asked}": it may be "real", for the GPU of this machine`);
  return asked === "real";
}

/** For titles: what is emulated has never seen a GPU, also where a stand-in takes the place of the driver (TSDLC_CUDA_DRIVER). */
export function cudaTitle(): string {
  const isStandIn = (process.env["TSDLC_CUDA_DRIVER"] ?? "").includes("stand-in");
  return isRealCuda() && !isStandIn ? "cuda" : "cuda (emulated)";
}
