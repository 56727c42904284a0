import { performance } from "node:perf_hooks";
const t0 = performance.now();
const { compileSource } = await import("./compiler/frontend/compile-source.ts");
const t1 = performance.now();
try {
const r = compileSource([process.argv[2]!]);
const t2 = performance.now();
const { print } = await import("./ir/print.ts");
console.log(print(r.module)); if (process.argv[3]) console.log(JSON.stringify(r.signatures, null, 1));
console.log("import", t1 - t0, "compile", t2 - t1);
const t3 = performance.now(); compileSource([process.argv[2]!]); console.log("again", performance.now() - t3);
} catch (e) { console.log((e as any).diagnostics ? (e as Error).message : e); }
