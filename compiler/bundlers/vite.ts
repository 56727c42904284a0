/** `tsdlc/vite`: the plugin of plugin.ts for Vite. A default export, as Vite's users expect of a plugin. */

import { bundlerPlugin } from "./plugin.ts";

export type { TsdlcOptions } from "./plugin.ts";

export default bundlerPlugin.vite;
