// Preloaded into a process: when it ends, writes the files of all CommonJS modules that it loaded, one a line.
"use strict";

const { writeFileSync } = require("node:fs");

process.on("exit", () => writeFileSync(process.env.TSDLC_TEST_LOADED, Object.keys(require.cache).join("\n")));
