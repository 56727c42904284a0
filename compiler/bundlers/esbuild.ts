/** `tsdlc/esbuild`: the plugin of plugin.ts for esbuild. A default export, as esbuild's users expect of a plugin. */

import { bundlerPlugin } from "./plugin.ts";

export type { TsdlcOptions } from "./plugin.ts";

export default bundlerPlugin.esbuild;
