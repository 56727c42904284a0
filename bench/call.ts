/** What a call costs when there is nothing to do. */

import { bindPrograms, tensor, Tensor } from "tsdlc-runtime";
import { alternate } from "./alternate.ts";
import { compileModels, type Machine } from "./machine.ts";
import { digits, printTable } from "./print-table.ts";

const calls = 1000;

export async function benchCall(machine: Machine): Promise<string> {
  const device = machine.devices[1];
  const { increment } = await bindPrograms(await compileModels("nothing.ts", machine), device);
  if (increment === undefined) throw new Error("nothing.ts has no model increment");
  const x = tensor(1, []);
  const call = (): Tensor => increment(x) as Tensor;

  let queued = 0;
  const enqueueTimes: number[] = [];
  const timings = await alternate([
    {
      name: "queued, then one wait",
      async run() {
        const start = performance.now();
        for (let i = 0; i < calls; i++) call().dispose();
        queued = performance.now() - start;
        enqueueTimes.push(queued);
        await device.sync();
      },
    },
    {
      name: "each one waited for",
      async run() {
        for (let i = 0; i < calls; i++) {
          call().dispose();
          await device.sync();
        }
      },
    },
    {
      name: "each result read back",
      async run() {
        for (let i = 0; i < calls; i++) {
          using result = call();
          await result.data();
        }
      },
    },
  ], { rounds: machine.quick ? 5 : 21 });
  const microseconds = (milliseconds: number): string => digits((1000 * milliseconds) / calls);
  const row = (name: string): readonly string[] => [name, microseconds(timings.best(name)), microseconds(timings.median(name))];
  enqueueTimes.sort((a, b) => a - b);
  return printTable({
    title: "A call with no work: x + 1 on one number (us per call)",
    columns: ["", "best", "median"],
    rows: [
      ["until the call returns", microseconds(enqueueTimes[0] ?? Number.NaN), microseconds(enqueueTimes[enqueueTimes.length >> 1] ?? Number.NaN)],
      row("queued, then one wait"), row("each one waited for"), row("each result read back"),
    ],
    notes: ["aim: under 5 us for a call, the reading of its arguments and the run itself included; a wait adds the way through the event loop"],
  });
}
