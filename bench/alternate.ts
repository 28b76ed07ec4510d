import { progress } from "../cli/progress.ts";

/**
 * Measures two sides in turn (ours, reference, ours, reference …), so that other load on the machine affects both. Each
 * `measure` runs once before as a warm-up: code gets compiled, connections opened, pages read.
 */
export async function alternate(
  name: string,
  rounds: number,
  ours: () => Promise<number>,
  reference: () => Promise<number>,
): Promise<{ ours: number[]; reference: number[] }> {
  const results: { ours: number[]; reference: number[] } = { ours: [], reference: [] };
  for (let round = 0; round <= rounds; round++) {
    progress(round === 0 ? `${name}: warm-up` : `${name}: round ${round} of ${rounds}`);
    const pair = [await ours(), await reference()] as const;
    if (round === 0) continue;
    results.ours.push(pair[0]);
    results.reference.push(pair[1]);
  }
  return results;
}
