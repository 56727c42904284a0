// Finds the compiled addon and loads it. When it was never compiled the error has the code TSDLC_NOT_BUILT, which
// tsdlc-runtime answers by compiling it.
"use strict";

const { existsSync } = require("node:fs");
const { join } = require("node:path");

const file = join(__dirname, "build", "Release", "tsdlc_native.node");

if (!existsSync(file)) {
  const error = new Error(`tsdlc-native is not compiled: ${file} is missing; run "npm run build" in ${__dirname}`);
  error.code = "TSDLC_NOT_BUILT";
  throw error;
}

module.exports = require(file);
