/** How far exp, tanh and log are from the truth, in units of the last place of f32, over all magnitudes. */

import { bindPrograms, tensor, Tensor } from "tsdlc-runtime";
import { compileModels, type Machine } from "./machine.ts";
import { digits, printTable } from "./print-table.ts";

/** JavaScript's own functions in f64 are exact to less than a billionth of an f32's last place. */
const references = { exp: Math.exp, tanh: Math.tanh, log: Math.log } as const;

interface Worst {
  readonly ulps: number;
  readonly at: number;
}

export async function benchAccuracy(machine: Machine): Promise<string> {
  const functions = await bindPrograms(await compileModels("functions.ts", machine), machine.devices[2]);
  const inputs = sampleFloats(machine.quick ? 1 << 20 : 1 << 24);
  const rows: (readonly string[])[] = [];
  for (const [name, reference] of Object.entries(references)) {
    const call = functions[name];
    if (call === undefined) throw new Error(`functions.ts has no model ${name}`);
    using result = call(tensor(inputs, [inputs.length])) as Tensor;
    const { ulps, at } = worstError(inputs, (await result.data()) as Float32Array, reference);
    rows.push([name, digits(ulps), String(at)]);
  }
  return printTable({
    title: `Accuracy over ${inputs.length.toLocaleString("en-US")} floats, evenly spaced among the finite bit patterns`,
    columns: ["", "max ulp", "at x ="],
    rows,
    notes: ["aim: within 2; a NaN or an infinity where the truth has none counts as infinitely far"],
  });
}

/** Every so-manieth of the 2^32 bit patterns that is a finite number: all signs and exponents, zeros and denormals too. */
function sampleFloats(count: number): Float32Array {
  const stride = 2 ** 32 / count;
  const bits = Uint32Array.from({ length: count }, (_, i) => i * stride + (Math.imul(i, 2654435761) >>> 0) % stride);
  return new Float32Array(bits.buffer).filter(Number.isFinite);
}

function worstError(inputs: Float32Array, outputs: Float32Array, reference: (x: number) => number): Worst {
  let worst: Worst = { ulps: 0, at: 0 };
  for (let i = 0; i < inputs.length; i++) {
    const [x = Number.NaN, y = Number.NaN] = [inputs[i], outputs[i]];
    const ulps = ulpsFrom(y, reference(x));
    if (ulps > worst.ulps) worst = { ulps, at: x };
  }
  return worst;
}

/** Distance in the spacing of f32 at the true value; what overflows f32, or is no number, must be that. */
function ulpsFrom(computed: number, truth: number): number {
  const rounded = Math.fround(truth);
  if (!Number.isFinite(rounded) || !Number.isFinite(computed)) return Object.is(rounded, computed) ? 0 : Infinity;
  const exponent = Math.max(-126, Math.floor(Math.log2(Math.abs(rounded))));
  return Math.abs(computed - truth) / 2 ** (exponent - 23);
}
