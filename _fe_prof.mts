import { performance } from "node:perf_hooks";
const cpu = () => { const u = process.cpuUsage(); return ((u.user + u.system) / 1000).toFixed(0); };
console.log("start cpu", cpu());
const { Project, ts } = await import("ts-morph"); console.log("ts-morph cpu", cpu());
const { compileSource } = await import("./compiler/frontend/compile-source.ts"); console.log("frontend cpu", cpu());
const { loadProject } = await import("./compiler/frontend/load-project.ts");
const t=performance.now();
const p = loadProject([process.argv[2]!], process.cwd()); console.log("load+check cpu", cpu(), performance.now()-t);
compileSource([process.argv[2]!]); console.log("compile cpu", cpu());
