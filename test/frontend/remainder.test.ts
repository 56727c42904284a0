/** What a bundler puts in the place of a file with models: its other exports, what they use, and nothing that only models used. */

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { compileSource } from "../../compiler/frontend/compile-source.ts";
import { withFolder } from "../cli/run-cli.ts";

/** The module that replaces model.ts, which is written after these other files. */
function replaced(model: string, others: Readonly<Record<string, string>> = {}, file = "model.ts"): string {
  return withFolder(undefined, (folder) => {
    for (const [name, text] of Object.entries({ ...others, [file]: model })) writeFileSync(join(folder, name), text);
    return compileSource([file], { workingDirectory: folder }).withoutModels("functions");
  });
}

const double = `import { model, type Tensor } from "tsdlc";\nexport const double = model((x: Tensor<["N"]>) => x.mul(2));\n`;
const head = `const double = functions["double"];\nexport { double };\n`;

describe("a module without its models", () => {
  it("has them from outside, and nothing else where there was nothing else", () => {
    assert.equal(replaced(double), head);
    assert.equal(replaced(`import { model, ones, type Tensor } from "tsdlc";\nconst one = ones([1]);\nfunction twice(x: Tensor<["N"]>) { return x.mul(2).add(one); }\nexport interface P {}\nexport const double = model((x: Tensor<["N"]>) => twice(x));\n`), head);
  });

  it("keeps other exports with what they use, and drops types", () => {
    const rest = `import { readFileSync, type Stats } from "node:fs";\nimport { other, size } from "./size.ts";\nconst unused = other, half = size / 2;\nexport const rows: number = half, stats: Stats | undefined = undefined;\nexport async function run() { return double; }\n`;
    assert.equal(replaced(double + rest, { "size.ts": "export const size = 4, other = 1;\n" }),
      `${head}import { size } from "./size.ts";\nconst half = size / 2;\nexport const rows = half;\nexport const stats = undefined;\nexport async function run() { return double; }\n`);
  });

  it("leaves JSX to the bundler", () => {
    const config = { "tsconfig.json": `{ "compilerOptions": { "jsx": "preserve", "strict": false } }` };
    assert.equal(replaced(`${double}const Label = (props: { text: string }) => null as any;\nexport const view = (n: number) => <Label text={String(n)} />;\ndeclare global { namespace JSX { interface IntrinsicElements { p: {} } } }\n`, config, "view.tsx"),
      `${head}const Label = (props) => null;\nexport const view = (n) => <Label text={String(n)}/>;\n`);
  });

  it("does at its top level what it did", () => {
    assert.equal(replaced(`${double}import "./effect.ts";\nglobalThis.console.log("loaded");\n`, { "effect.ts": "export {};\n" }), `${head}import "./effect.ts";\nglobalThis.console.log("loaded");\n`);
  });

  it("has other names of models, and models of other files", () => {
    const renamed = `import { model, type Tensor } from "tsdlc";\nconst double = model((x: Tensor<["N"]>) => x.mul(2));\nexport { double as twice };\nexport const same = (x: Float32Array) => double(x);\n`;
    assert.equal(replaced(renamed), `const double = functions["twice"];\nexport { double as twice };\nexport const same = (x) => double(x);\n`);
    const others = { "other.ts": double.replaceAll("double", "third") + "export const limit = 3;\n", "types.ts": "export interface T {}\n" };
    assert.equal(replaced(`${double}export { limit, third } from "./other.ts";\nexport * from "./types.ts";\n`, others),
      `${head}const functions_third = functions["third"];\nexport { functions_third as third };\nexport { limit } from "./other.ts";\n`);
    assert.equal(replaced(`${double}export * from "./other.ts";\n`, others), `${head}const functions_third = functions["third"];\nexport { functions_third as third };\nexport * from "./other.ts";\n`);
  });
});
