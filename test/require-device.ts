/**
 * What must really run: TSDLC_REQUIRE is a list of cpu, webgpu, browser, cuda-emulated (kernels on the CPU, by g++) and
 * cuda-compiler (NVIDIA's own). A test that finds one of them absent says why, once, and is skipped; when the list names
 * it, that fails the run.
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
