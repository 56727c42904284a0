/** Steps of training per second: the package that `tsdlc build` makes of examples/mnist, on random digits. */

import { join } from "node:path";
import { type Functions, loadPackage, tensor, Tensor } from "tsdlc-runtime";
import { alternate, type Contender } from "./alternate.ts";
import { buildMnist, withBuildFolder } from "./build.ts";
import { hostInput, type Machine, threadCounts } from "./machine.ts";
import { digits, printTable, times } from "./print-table.ts";

const batchSizes = [64, 1024] as const;
const stepsPerRun = 20;

export async function benchMnist(machine: Machine): Promise<string> {
  return withBuildFolder(async (folder) => {
    buildMnist(folder);
    const tables: string[] = [];
    for (const batch of batchSizes) {
      const contenders = (await Promise.all(threadCounts.map(async (threads) => {
        const functions = await loadPackage(join(folder, "digits"), { device: machine.devices[threads] });
        return [trainer(functions, batch, threads, false), trainer(functions, batch, threads, true)];
      }))).flat();
      const timings = await alternate(contenders, { rounds: machine.quick ? 5 : 21 });
      tables.push(printTable({
        title: `MNIST training, batches of ${batch}`,
        columns: ["", "best steps/s", "median steps/s", "samples/s", "against 1T"],
        rows: contenders.map(({ name }) => {
          const perSecond = (milliseconds: number): number => (1000 * stepsPerRun) / milliseconds;
          return [
            name, digits(perSecond(timings.best(name))), digits(perSecond(timings.median(name))),
            Math.round(batch * perSecond(timings.median(name))).toLocaleString("en-US"), times(timings.speedup(name, name.replace(/\dT/, "1T"))),
          ];
        }),
        notes: ["every step brings its batch from the host; \"loss read\" also waits for the loss of each step, as a program with a progress bar does"],
      }));
    }
    return tables.join("");
  });
}

interface Step {
  readonly state: unknown;
  readonly loss: Tensor;
}

function trainer({ init, step }: Functions, batch: number, threads: number, readsLoss: boolean): Contender {
  if (init === undefined || step === undefined) throw new Error("the package has no init or no step");
  const { data: images } = hostInput([batch, 784]);
  const labels = Int32Array.from({ length: batch }, (_, i) => i % 10);
  // A step of next to nothing, because random digits cannot be learned and weights must stay finite.
  const rate = tensor(1e-6, []);
  let state: unknown = init(new Uint32Array([0, 1]));
  return {
    name: `tsdlc ${threads}T${readsLoss ? ", loss read" : ""}`,
    async run() {
      for (let i = 0; i < stepsPerRun; i++) {
        const next = step(state, images, labels, rate) as Step;
        state = next.state;
        using loss = next.loss;
        if (readsLoss || i === stepsPerRun - 1) await loss.itemAsync();
      }
    },
  };
}
