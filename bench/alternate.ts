/**
 * Times contenders against each other on a machine that is never quite quiet.
 *
 * Contenders take turns, round after round, each round starting with another one, so that what disturbs the machine
 * disturbs all of them alike. A turn is a few calls and counts as their median. A ratio is given twice: of the best
 * calls, and as the median over rounds of the ratio within a round, which is steadier than the ratio of two medians.
 */

import { setTimeout as sleep } from "node:timers/promises";

export type Contender = Runner | SelfTimed;

export interface Runner {
  readonly name: string;
  /** Resolves when the work is done, not when it is queued. */
  run(): Promise<unknown> | void;
}

/** A contender in a process of its own: it times its own calls, so that no way between processes is timed. */
export interface SelfTimed {
  readonly name: string;
  /** One call to warm up; then calls, at least two, until the milliseconds are over: those of each call. */
  timeCalls(turnMilliseconds: number): Promise<readonly number[]>;
}

export interface AlternateOptions {
  readonly rounds: number;
  /** How long a turn lasts at least, the call that warms it up not counted. */
  readonly turnMilliseconds?: number;
}

/**
 * Between turns: threads of a contender that spin for more work must have gone to sleep before the next one starts
 * (those of onnxruntime spin for some tens of milliseconds).
 */
const restMilliseconds = 60;

/** A few calls in a row: milliseconds of the best one, and of the one in the middle. */
interface Turn {
  readonly best: number;
  readonly median: number;
}

export interface Speedup {
  /** Of the best call of each: what a quiet machine would give. */
  readonly best: number;
  /** Over rounds, of the ratio within a round. */
  readonly median: number;
}

/** Milliseconds per call of each contender, a turn for each round. */
export class Timings {
  readonly #turns: ReadonlyMap<string, readonly Turn[]>;

  constructor(turns: ReadonlyMap<string, readonly Turn[]>) {
    this.#turns = turns;
  }

  has(name: string): boolean {
    return this.#turns.has(name);
  }

  best(name: string): number {
    return Math.min(...this.#of(name).map((turn) => turn.best));
  }

  median(name: string): number {
    return median(this.#of(name).map((turn) => turn.median));
  }

  /** How many times as fast `name` is as `other`. */
  speedup(name: string, other: string): Speedup {
    const others = this.#of(other);
    return {
      best: this.best(other) / this.best(name),
      median: median(this.#of(name).map((turn, round) => (others[round]?.median ?? Number.NaN) / turn.median)),
    };
  }

  #of(name: string): readonly Turn[] {
    const turns = this.#turns.get(name);
    if (turns === undefined) throw new RangeError(`${name} took no part; ${[...this.#turns.keys()].join(", ")} did`);
    return turns;
  }
}

export async function alternate(contenders: readonly Contender[], { rounds, turnMilliseconds = 20 }: AlternateOptions): Promise<Timings> {
  const turns = new Map<string, Turn[]>(contenders.map(({ name }) => [name, []]));
  for (const contender of contenders) await takeTurn(contender, 0);
  for (let round = 0; round < rounds; round++) {
    for (let position = 0; position < contenders.length; position++) {
      const contender = contenders[(round + position) % contenders.length];
      if (contender === undefined) continue;
      await sleep(restMilliseconds);
      turns.get(contender.name)?.push(await takeTurn(contender, turnMilliseconds));
    }
  }
  return new Timings(turns);
}

async function takeTurn(contender: Contender, milliseconds: number): Promise<Turn> {
  const times = "run" in contender ? await timeCalls(contender, milliseconds) : await contender.timeCalls(milliseconds);
  return { best: Math.min(...times), median: median(times) };
}

async function timeCalls(contender: Runner, milliseconds: number): Promise<readonly number[]> {
  await contender.run();
  const times: number[] = [];
  const end = performance.now() + milliseconds;
  do {
    const start = performance.now();
    await contender.run();
    times.push(performance.now() - start);
  } while (performance.now() < end || times.length < 2);
  return times;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[middle - 1] ?? Number.NaN, sorted[middle] ?? Number.NaN];
  return sorted.length % 2 === 0 ? (low + high) / 2 : high;
}
