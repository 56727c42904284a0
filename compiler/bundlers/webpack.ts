/** `tsdlc/webpack`: the plugin of plugin.ts for webpack. A default export, as webpack's users expect of a plugin. */

import { bundlerPlugin } from "./plugin.ts";

export type { TsdlcOptions } from "./plugin.ts";

export default bundlerPlugin.webpack;
