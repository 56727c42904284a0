/** Data files from a server, in a browser or in Node. What is in them is read by idx.ts and mnist.ts. */

import { DataFormatError } from "tsdlc-runtime";
import { type IdxArray, isGzip, readIdx } from "./idx.ts";
import { labelledImages, type Mnist, mnistNames, type MnistPaths, mnistSpellings } from "./mnist.ts";

/** Downloads an IDX file, gzipped or not. Rejects with DataFormatError, or an Error that says what the server answered. */
export async function fetchIdx(url: URL | string): Promise<IdxArray> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${String(url)}: the server answered ${response.status} ${response.statusText}`.trim());
  return readResponse(response, String(url));
}

/**
 * The MNIST digits from a server: the URL of a folder that has the four IDX files under their usual names
 * (train-images-idx3-ubyte, with .gz or without), or the URL of each.
 */
export async function fetchMnist(source: URL | string | MnistPaths): Promise<Mnist> {
  const get = (role: keyof MnistPaths): Promise<IdxArray> =>
    typeof source === "string" || source instanceof URL ? findIdx(String(source), mnistNames[role]) : fetchIdx(source[role]);
  const [trainImages, trainLabels, testImages, testLabels] = await Promise.all([get("trainImages"), get("trainLabels"), get("testImages"), get("testLabels")]);
  return { train: labelledImages(trainImages, trainLabels), test: labelledImages(testImages, testLabels) };
}

async function findIdx(folder: string, name: string): Promise<IdxArray> {
  const candidates = mnistSpellings(name);
  for (const candidate of candidates) {
    const url = `${folder.replace(/[/]$/, "")}/${candidate}`;
    const response = await fetch(url);
    if (response.ok) return readResponse(response, url);
  }
  throw new Error(`${folder} has no ${name} (nor ${candidates.slice(1).join(", ")})`);
}

async function readResponse(response: Response, url: string): Promise<IdxArray> {
  const bytes = new Uint8Array(await response.arrayBuffer());
  return readIdx(isGzip(bytes) ? await decompress(bytes, url) : bytes, url);
}

async function decompress(bytes: Uint8Array, url: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
  } catch (error) {
    throw new DataFormatError(`${url}: the gzip data is damaged or truncated after ${bytes.length} bytes (${error instanceof Error ? error.message : String(error)})`);
  }
}
