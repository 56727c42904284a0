#!/usr/bin/env node
/**
 * The command line: `tsdlc build | check | opt | run | diff | devices`.
 *
 * This file knows options and help. What a command does is in the file of its name, which is imported when the
 * command runs, so that `--help` and an unchanged build load nothing else.
 */

import { Command, CommanderError, Option } from "commander";
import { readSurroundings } from "./options.ts";
import { createProgress } from "./progress.ts";
import { exitCodes, reportError } from "./report-error.ts";
import { UsageError } from "./usage-error.ts";
import { readVersion } from "./version.ts";

const surroundings = readSurroundings();
const progress = createProgress({
  live: surroundings.liveProgress,
  colours: surroundings.colours,
  write: (text) => void process.stderr.write(text),
});
const print = (text: string): void => void process.stdout.write(text);

const printIr = new Option("--print-ir [pass]", "print what each pass changed, or one pass (default: all)").preset("all");

const program = new Command("tsdlc")
  .description("Compiles models written as TypeScript functions into npm packages.")
  .version(readVersion())
  .showSuggestionAfterError()
  .showHelpAfterError("(tsdlc --help lists the commands, tsdlc <command> --help their options)")
  .addHelpText("after", `
Examples:
  tsdlc build model.ts --out dist/net     a package from the model functions of model.ts
  tsdlc check model.ts                    their signatures, or what is wrong with them
  tsdlc run dist/net --function predict   one call, with arguments from a file or zeros

Exit codes:
  0  done
  1  the program has errors; diagnostics say where
  2  the command cannot be carried out as given
  3  a failure of tsdlc or of a tool that it runs`);

program
  .command("build")
  .description("build the exported model functions of a file or folder into a package")
  .argument("<source>", "a .ts file, or a folder of them")
  .option("--out <folder>", "the package's folder, replaced as a whole (required)")
  .addOption(new Option("--target <names>", "what to build for, separated by commas: cpu, cuda, wgsl").default("cpu"))
  .option("--arch <names>", "architectures, separated by commas: v3, v4, arm64 of the CPU (default: all of this machine's kind), sm_80, sm_90a and the like of CUDA")
  .option("--name <name>", "the package's name (default: the folder's)")
  .option("--force", "build even if nothing has changed")
  .addOption(printIr)
  .addHelpText("after", `
Examples:
  tsdlc build model.ts --out dist/net
  tsdlc build src/models --out dist/models --arch v3
  tsdlc build model.ts --out dist/net --target cpu,cuda,wgsl --arch sm_80,sm_90a
  tsdlc build model.ts --out dist/net --print-ir=fuse`)
  .action(async (source: string, options: BuildFlags) => {
    // Not commander's requiredOption: it would hide a misspelt --out behind a missing one.
    if (options.out === undefined || options.out === "") throw new UsageError("build needs a folder for the package", `add --out, as in: tsdlc build ${source} --out dist/net`);
    const { build, describeBuild } = await import("./build.ts");
    const result = await build({
      source,
      out: options.out,
      targets: splitList(options.target),
      architectures: options.arch === undefined ? undefined : splitList(options.arch),
      name: options.name,
      force: options.force ?? false,
      printIr: options.printIr,
      cacheFolder: surroundings.cacheFolder,
      compilerVersion: readVersion(),
    }, progress, print);
    progress.finish();
    print(describeBuild(result));
  });

program
  .command("check")
  .description("check the model functions of a file or folder and print their signatures")
  .argument("<source>", "a .ts file, or a folder of them")
  .addHelpText("after", `
Example:
  tsdlc check model.ts`)
  .action(async (source: string) => {
    const { check } = await import("./check.ts");
    const text = await check(source, progress);
    progress.finish();
    print(text);
  });

program
  .command("opt")
  .description("run passes over a module in text form and print the outcome")
  .argument("<file>", "a .ir file")
  .option("--passes <names>", "passes in order, separated by commas (default: the whole pipeline)")
  .addOption(new Option("--target <name>", "whose limits schedules read: cpu, cuda or wgsl").default("cpu"))
  .option("--arch <tier>", "the tier of the CPU: v3, v4, arm64")
  .addOption(printIr)
  .addHelpText("after", `
Examples:
  tsdlc opt loop.ir --passes simplify,cse,dce
  tsdlc opt loop.ir --print-ir`)
  .action(async (file: string, options: OptFlags) => {
    const { opt } = await import("./opt.ts");
    print(await opt({
      file,
      passes: options.passes === undefined ? undefined : splitList(options.passes),
      target: options.target,
      architecture: options.arch,
      printIr: options.printIr,
    }, print));
  });

program
  .command("run")
  .description("call one function of a built package, a model or a .ir file and print what it returns")
  .argument("<program>", "a folder made by tsdlc build, a .ts file or a .ir file")
  .option("--function <name>", "which function (default: the only one)")
  .option("--inputs <file>", "JSON, an array with one entry for each argument: tensors as nested arrays, objects by field; or .safetensors or .npz, with tensors named by path as in params.w1")
  .option("--dims <sizes>", "sizes of named dims for arguments that are not given, as N=3,M=4 (default: 1 each)")
  .addHelpText("after", `
Arguments that --inputs does not give, or gives as null, are zeros.

Examples:
  tsdlc run dist/net --function predict --dims N=2
  tsdlc run loop.ir --inputs arguments.json`)
  .action(async (path: string, options: RunFlags) => {
    const { run } = await import("./run.ts");
    const text = await run({
      path,
      functionName: options.function,
      inputs: options.inputs,
      dims: options.dims,
      device: surroundings.device,
      compilerVersion: readVersion(),
    }, progress);
    progress.finish();
    print(text);
  });

program
  .command("diff")
  .description("run a model eager and compiled side by side and name the first line where they part")
  .argument("<program>", "a .ts file or a .ir file")
  .option("--inputs <file>", "every argument: .safetensors or .npz, with tensors named by path as in params.w1, or .json as run takes it (required)")
  .option("--function <name>", "which function (default: the only one)")
  .option("--ulp <count>", "how many units in the last place are no difference", "64")
  .addHelpText("after", `
Eager is each op by itself, on the cpu. Compiled is what tsdlc build makes, for the device that TSDLC_DEVICE names, else
the cpu. Each value on the way is compared: with what its op gives on the same operands, and with that of the eager run.
What is compared are all values of the program, which must fit into memory together.

Exit codes: 0 they agree, 1 they part; 2 and 3 as always.

Examples:
  tsdlc diff model.ts --function step --inputs step.safetensors
  TSDLC_DEVICE=webgpu tsdlc diff model.ts --function predict --inputs batch.safetensors --ulp 500`)
  .action(async (path: string, options: DiffFlags) => {
    if (options.inputs === undefined || options.inputs === "") throw new UsageError("diff needs a file with every argument", `add --inputs, as in: tsdlc diff ${path} --inputs arguments.safetensors`);
    const { diff } = await import("./diff.ts");
    const text = await diff({
      path,
      functionName: options.function,
      inputs: options.inputs,
      ulps: options.ulp,
      device: surroundings.device,
      compilerVersion: readVersion(),
    }, progress);
    progress.finish();
    print(text);
  });

program
  .command("devices")
  .description("list the devices of this machine, and why those that are missing are missing")
  .action(async () => {
    const { listDevices } = await import("./devices.ts");
    print(await listDevices());
  });

interface BuildFlags {
  readonly out?: string;
  readonly target: string;
  readonly arch?: string;
  readonly name?: string;
  readonly force?: boolean;
  readonly printIr?: string;
}

interface OptFlags {
  readonly passes?: string;
  readonly target: string;
  readonly arch?: string;
  readonly printIr?: string;
}

interface RunFlags {
  readonly function?: string;
  readonly inputs?: string;
  readonly dims?: string;
}

interface DiffFlags {
  readonly inputs?: string;
  readonly function?: string;
  readonly ulp: string;
}

for (const command of [program, ...program.commands]) command.exitOverride();

try {
  await program.parseAsync();
} catch (error) {
  progress.finish();
  if (error instanceof CommanderError) {
    // Commander has printed its message; help and version end this way too, with code 0.
    process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  } else {
    const { text, exitCode } = await reportError(error, surroundings);
    process.stderr.write(text);
    process.exitCode = exitCode;
  }
}

function splitList(text: string): readonly string[] {
  const items = text.split(",").map((item) => item.trim()).filter((item) => item !== "");
  if (items.length === 0) throw new UsageError(`"${text}" is an empty list`);
  return items;
}
