/**
 * A small program with a model.ts in it, in a folder of its own with the packages installed as a user has them: what the
 * tests of bundlers bundle. It says what it found in the page's title, or in Node on standard output.
 */

import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");

const model = `import { mapTree, model, type Tensor, valueAndGrad } from "tsdlc";
import { rows } from "./sizes.ts";

export interface Params {
  w: Tensor<[2, 1]>;
  b: Tensor<[1]>;
}

/** No model, so it stays as it is, and what it uses with it. */
export const names: readonly string[] = ["w", "b"].map((name) => \`\${name} of \${rows}\`);

function loss(p: Params, x: Tensor<["N", 2]>, y: Tensor<["N", 1]>): Tensor<[]> {
  const error = x.matmul(p.w).add(p.b).sub(y);
  return error.mul(error).mean();
}

/** One step of gradient descent. */
export const step = model((p: Params, x: Tensor<["N", 2]>, y: Tensor<["N", 1]>, rate: Tensor<[]>) => {
  const [value, gradients] = valueAndGrad(loss)(p, x, y);
  return { p: mapTree((w, g) => w.sub(g.mul(rate)), p, gradients), loss: value };
});
`;

// Valid JavaScript too, because rollup and webpack read no TypeScript by themselves.
const main = `import { tensor } from "tsdlc-runtime";
import { names, step } from "./model.ts";

const x = tensor([[0, 0], [1, 0], [0, 1], [1, 1]], [4, 2]);
const y = tensor([[1], [4], [-1], [2]], [4, 1]);
let p = { w: tensor([[0], [0]], [2, 1]), b: tensor([0], [1]) };
for (let i = 0; i < 100; i++) p = step(p, x, y, tensor(0.3, [])).p;
const found = [...(await p.w.data()), ...(await p.b.data())].map((value) => value.toFixed(3));
const text = \`\${found.join()} on \${p.w.device}; \${names.join()}\`;
if (typeof document === "undefined") console.log(text);
else document.title = text;
`;

/** What the program says: y = 3 a - 2 b + 1 fits its four points. */
export const answer = (device: string): string => `3.000,-2.000,1.000 on ${device}; w of 3,b of 3`;

export interface App {
  readonly folder: string;
  path(...names: readonly string[]): string;
  write(name: string, text: string): void;
  remove(): void;
}

export function createApp(): App {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "tsdlc-bundlers-")));
  const path = (...names: readonly string[]): string => join(folder, ...names);
  for (const [name, from, parts] of [["tsdlc", root, ["package.json", "dist", "lib"]], ["tsdlc-runtime", join(root, "runtime"), ["package.json", "dist"]]] as const) {
    mkdirSync(path("node_modules", name), { recursive: true });
    for (const part of parts) cpSync(join(from, part), path("node_modules", name, part), { recursive: true });
  }
  symlinkSync(join(root, "native"), path("node_modules/tsdlc-native"));
  mkdirSync(path("src"));
  const write = (name: string, text: string): void => writeFileSync(path(name), text);
  write("package.json", `{ "private": true, "type": "module" }`);
  write("index.html", `<!doctype html><title></title><link rel="icon" href="data:,"><script type="module" src="./src/main.js"></script>`);
  write("src/main.js", main);
  write("src/model.ts", model);
  write("src/sizes.ts", "export const rows = 3;\n");
  return { folder, path, write, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** The model with a product whose sizes do not fit, and what is said about it. */
export const wrongModel = model.replace("x.matmul(p.w)", "p.w.matmul(x)");
