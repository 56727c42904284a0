/** model.ts becomes kernels wherever it is imported. With `tsdlc({ dev: "eager" })` the dev server runs it op by op instead. */

import { defineConfig } from "vite";
import tsdlc from "tsdlc/vite";

export default defineConfig({ root: import.meta.dirname, base: "./", plugins: [tsdlc()] });
