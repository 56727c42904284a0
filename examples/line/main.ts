/** Finds y = 3 a - 2 b + 1 from four points, and writes into the page what it found. */

import { tensor } from "tsdlc-runtime";
import { init, step } from "./model.ts";

const x = tensor([[0, 0], [1, 0], [0, 1], [1, 1]]);
const y = tensor([[1], [4], [-1], [2]]);
let p = init();
for (let i = 0; i < 200; i++) ({ p } = step(p, x, y, tensor(0.3)));
document.body.textContent = `w ${await p.w.text()}\nb ${await p.b.text()}\non ${p.w.device}`;
