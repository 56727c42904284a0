/**
 * Philox 4x32 with 10 rounds, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random numbers:
 * as easy as 1, 2, 3" (SC 2011): a block of four words from a counter of four and a key of two, and no state.
 */

export const philoxRounds = 10;
export const philoxMultipliers = [0xd2511f53, 0xcd9e8d57] as const;
/** Added to the key after each round: the fractions of the golden ratio and of the square root of 3, as 32 bits. */
export const philoxKeySteps = [0x9e3779b9, 0xbb67ae85] as const;

/** One block on the host, in exact integers: the reference for what kernels compute in 32 bits. */
export function philox(counter: readonly number[], key: readonly number[]): readonly number[] {
  const mask = 0xffffffffn;
  let [c0 = 0n, c1 = 0n, c2 = 0n, c3 = 0n] = counter.map(BigInt);
  let [k0 = 0n, k1 = 0n] = key.map(BigInt);
  for (let round = 0; round < philoxRounds; round++) {
    const first = c0 * BigInt(philoxMultipliers[0]);
    const second = c2 * BigInt(philoxMultipliers[1]);
    [c0, c1, c2, c3] = [(second >> 32n) ^ c1 ^ k0, second & mask, (first >> 32n) ^ c3 ^ k1, first & mask];
    k0 = (k0 + BigInt(philoxKeySteps[0])) & mask;
    k1 = (k1 + BigInt(philoxKeySteps[1])) & mask;
  }
  return [c0, c1, c2, c3].map(Number);
}
