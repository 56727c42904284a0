/** The renderer of diagnostics: frames, several labels, tabs, long spans, missing files, colours. */

import assert from "node:assert/strict";
import { type Diagnostic, DiagnosticsError, renderDiagnostic } from "../../compiler/diagnostics.ts";

const text = "first line\n\tconst y = x.add(w);\nthird\n";
const source = (file: string): string | undefined => (file === "model.ts" ? text : undefined);

function diagnostic(parts: Partial<Diagnostic>): Diagnostic {
  return { code: "TSDL2003", message: "it does not fit", labels: [], notes: [], help: undefined, ...parts };
}

describe("diagnostics", () => {
  it("put carets under the place, at any tab width", () => {
    const labels = [{ span: { file: "model.ts", line: 2, column: 12, length: 8 }, text: "left is f32[3]" }];
    assert.equal(
      renderDiagnostic(diagnostic({ labels, notes: ["a note"], help: "do this" }), { source }),
      "error TSDL2003: it does not fit\n  --> model.ts:2:12\n  2 | \tconst y = x.add(w);\n    | \t          ^^^^^^^^ left is f32[3]\nnote: a note\nhelp: do this\n",
    );
  });

  it("stay within the line, and mark at least one column", () => {
    const labels = [{ span: { file: "model.ts", line: 3, column: 4, length: 100 }, text: "" }, { span: { file: "model.ts", line: 1, column: 11, length: 0 }, text: "here" }];
    assert.equal(
      renderDiagnostic(diagnostic({ labels }), { source }),
      "error TSDL2003: it does not fit\n  --> model.ts:3:4\n  3 | third\n    |    ^^\n  --> model.ts:1:11\n  1 | first line\n    |           ^ here\n",
    );
  });

  it("do without a file that cannot be read", () => {
    const labels = [{ span: { file: "gone.ts", line: 1000, column: 1, length: 1 }, text: "was here" }];
    assert.equal(renderDiagnostic(diagnostic({ labels }), { source }), "error TSDL2003: it does not fit\n    --> gone.ts:1000:1\n      = was here\n");
  });

  it("are coloured only when asked", () => {
    const rendered = renderDiagnostic(diagnostic({ help: "do this" }), { source, colours: true });
    assert.match(rendered, /\u001b\[3[0-9]m/);
    assert.doesNotMatch(new DiagnosticsError([diagnostic({ help: "do this" })]).message, /\u001b/);
  });
});
