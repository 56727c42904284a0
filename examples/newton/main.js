/**
 * Where Halley's comet and some planets are a tenth of a period after perihelion, and how that place answers to
 * eccentricity and time: by the gradient through Newton's loop, and by the implicit function theorem.
 */

import { implicitSensitivity, sensitivity, solve } from "./dist/index.js";

const bodies = { Earth: 0.0167, Mercury: 0.2056, Pluto: 0.2488, Halley: 0.9671 };
const eccentricity = Float32Array.from(Object.values(bodies));
const mean = new Float32Array(eccentricity.length).fill(2 * Math.PI * 0.1);
const tolerance = 1e-5;

const { anomaly, turns } = solve(eccentricity, mean, tolerance);
const through = sensitivity(eccentricity, mean, tolerance);
const implicit = implicitSensitivity(eccentricity, mean, tolerance);
const columns = await Promise.all([anomaly, through.byEccentricity, implicit.byEccentricity, through.byMean, implicit.byMean].map((t) => t.data()));

console.log(`${await turns.itemAsync()} turns on ${anomaly.device}`);
console.log(["", "E", "dE/de", "implicit", "dE/dM", "implicit"].map((title) => title.padEnd(9)).join(""));
Object.keys(bodies).forEach((name, i) => console.log([name, ...columns.map((column) => column[i].toFixed(5))].map((cell) => cell.padEnd(9)).join("")));
