// Mocha's spec reporter, which also writes the totals to the file that TSDLC_TEST_TOTALS names, for .ci/run, and each test
// with its outcome, as JSON, to the one that TSDLC_TEST_JSON names.
"use strict";

const { writeFileSync } = require("node:fs");
const { reporters, Runner } = require("mocha");

module.exports = class SpecAndTotals extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const { TSDLC_TEST_TOTALS: totals, TSDLC_TEST_JSON: json } = process.env;
    const tests = [];
    const keep = (test, error) => tests.push({ title: test.fullTitle(), outcome: test.state ?? "skipped", milliseconds: test.duration, error: error?.message });
    const { EVENT_TEST_PASS, EVENT_TEST_FAIL, EVENT_TEST_PENDING, EVENT_RUN_END } = Runner.constants;
    if (json) for (const event of [EVENT_TEST_PASS, EVENT_TEST_FAIL, EVENT_TEST_PENDING]) runner.on(event, keep);
    runner.once(EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      if (totals) writeFileSync(totals, `${passes} passed, ${failures} failed\n`);
      if (json) writeFileSync(json, `${JSON.stringify({ passed: passes, failed: failures, skipped: pending, tests }, null, 1)}\n`);
    });
  }
};
