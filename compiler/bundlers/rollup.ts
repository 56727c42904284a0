/** `tsdlc/rollup`: the plugin of plugin.ts for rollup. A default export, as rollup's users expect of a plugin. */

import { bundlerPlugin } from "./plugin.ts";

export type { TsdlcOptions } from "./plugin.ts";

export default bundlerPlugin.rollup;
