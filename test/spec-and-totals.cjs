// Mocha's spec reporter, which also writes the totals to the file that TSDLC_TEST_TOTALS names, for .ci/run.
"use strict";

const { writeFileSync } = require("node:fs");
const { reporters, Runner } = require("mocha");

module.exports = class SpecAndTotals extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const path = process.env.TSDLC_TEST_TOTALS;
    if (!path) return;
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      writeFileSync(path, `${this.stats.passes} passed, ${this.stats.failures} failed\n`);
    });
  }
};
