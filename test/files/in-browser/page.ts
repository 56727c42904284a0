/** The page of ../browser.test.ts: files that the server has, read and written again by lib/files. */

import { fromNpy, openSafetensors, readSafetensors, toNpy, toSafetensors } from "../../../lib/files/index.ts";

export interface PageApi {
  /** The bytes of a safetensors file after it was read and written here. */
  safetensors(url: string): Promise<readonly number[]>;
  npy(url: string): Promise<readonly number[]>;
  /** What opening a path says. */
  open(path: string): Promise<string>;
}

async function bytesOf(url: string): Promise<ArrayBuffer> {
  return (await fetch(url)).arrayBuffer();
}

const api: PageApi = {
  async safetensors(url) {
    const { tensors, metadata } = readSafetensors(await bytesOf(url), url);
    return [...(await toSafetensors(tensors, metadata))];
  },
  async npy(url) {
    return [...(await toNpy(fromNpy(await bytesOf(url), url)))];
  },
  async open(path) {
    return openSafetensors(path).then(() => "opened", (error: unknown) => String(error));
  },
};
Object.assign(globalThis, { tsdlcPage: api });
