/** Several arrays of NumPy by name: the .npz archives of numpy.savez and numpy.savez_compressed. */

import { ArgumentError, DataFormatError, type DTypeName } from "tsdlc-runtime";
import { eachAtOnce } from "./each.ts";
import type { AnyHandle, AnyTensor } from "./elements.ts";
import { isWellFormed, quote } from "./json.ts";
import { refusalOfName } from "./name.ts";
import { dtypeOfNpy, fromNpy, toNpy } from "./npy.ts";
import { readNpyHeader } from "./npy-header.ts";
import { absence, type TensorSource } from "./safetensors.ts";
import type { Named } from "./safetensors-layout.ts";
import { readEntry, readStart, readZip, refusalOfEntryName, writeZip, type ZipEntry } from "./zip.ts";

const suffix = ".npy";
/** Where the longest header that NumPy reads ends. */
const mostHeader = 12 + 65_536;

/**
 * Opens an .npz archive that is in memory: names, dtypes and shapes at once, each array when it is asked for. Where it is
 * neither compressed nor out of place, an array is a view of `bytes`: do not change them. `name` is what messages call them.
 *
 *     const file = await readNpz(await readFile("weights.npz"), "weights.npz");
 *     const { tree } = await loadTree({ layers: [{ weight: { dtype: "f32", shape: [4, 3] } }] }, file);
 *
 * Rejects with DataFormatError for anything but one whole archive of .npy files whose dtypes tensors have. An archive of
 * more than 4 GB (zip64) is refused too.
 */
export async function readNpz(bytes: Uint8Array | ArrayBuffer, name = "the bytes"): Promise<TensorSource> {
  const entries = new Map(readZip(bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes), name).map((entry) => [nameOfArray(entry, name), entry]));
  const types = new Map<string, { readonly dtype: DTypeName; readonly shape: readonly number[] }>();
  await eachAtOnce(entries, async ([key, entry]) => {
    const place = `${name}: entry ${quote(entry.name)}`;
    const { descr, shape } = readNpyHeader(await readStart(entry, mostHeader, name), place);
    types.set(key, { dtype: dtypeOfNpy(descr, place), shape });
  });
  const read = async (key: string): Promise<AnyTensor> => {
    const entry = entries.get(key);
    if (entry === undefined) throw new ArgumentError(absence(name, key, entries));
    return fromNpy(await readEntry(entry, name), `${name}: entry ${quote(entry.name)}`);
  };
  // In the order of the archive, whichever was read first.
  const tensors = new Map([...entries.keys()].flatMap((key) => {
    const type = types.get(key);
    return type === undefined ? [] : [[key, type] as const];
  }));
  return { name, metadata: new Map(), tensors, read };
}

/** NumPy calls the array a the file a.npy. */
function nameOfArray({ name }: ZipEntry, place: string): string {
  if (!name.endsWith(suffix)) throw new DataFormatError(`${place}: entry ${quote(name)} is no .npy file, and an .npz archive has nothing else`);
  const key = name.slice(0, -suffix.length);
  const refusal = refusalOfName(key);
  if (refusal !== undefined) throw new DataFormatError(`${place}: ${refusal}`);
  return key;
}

/**
 * An .npz archive of tensors on any device, as numpy.load reads it; compressed as by numpy.savez_compressed if asked.
 *
 *     await writeFile("weights.npz", await toNpz({ w, b }, { compress: true }));
 *
 * Rejects with ArgumentError for names that an archive cannot hold, for bf16, which NumPy does not have, and for more than
 * 4 GB.
 */
export async function toNpz(tensors: Named<AnyHandle>, options: { readonly compress?: boolean } = {}): Promise<Uint8Array<ArrayBuffer>> {
  const named = tensors instanceof Map ? [...tensors as ReadonlyMap<string, AnyHandle>] : Object.entries(tensors as Readonly<Record<string, AnyHandle>>);
  for (const [name] of named) {
    const refusal = refusalOfName(name) ?? (isWellFormed(name) ? undefined : `the name ${quote(name)} is no well-formed Unicode`);
    if (refusal !== undefined) throw new ArgumentError(`toNpz: ${refusal}`);
    const entry = refusalOfEntryName(`${name}${suffix}`);
    if (entry !== undefined) throw new ArgumentError(`toNpz: the name ${quote(name)} ${entry}`);
  }
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  await eachAtOnce(named, async ([name, tensor]) => void files.set(name, await toNpy(tensor)));
  return writeZip("toNpz", named.map(([name]) => ({ name: `${name}${suffix}`, data: files.get(name) ?? new Uint8Array() })), options.compress === true);
}
