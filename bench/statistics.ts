/** The statistics that the table shows, and how results are judged. */

/** The target of a measurement. */
export type Target = { atLeast: number } | { atMost: number };

/** One line of the table: values per round, in `unit`; with a reference, the ratios are judged. */
export type Measurement = {
  name: string;
  unit: string;
  ours: number[];
  /** The values of the reference in the same rounds. */
  reference?: number[];
  /** Undefined for a figure that is only shown. */
  target?: Target;
};

export function quantile(values: number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const [low = Number.NaN, high = Number.NaN] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return low === high ? low : low + (high - low) * (at - Math.floor(at));
}

export const median = (values: number[]): number => quantile(values, 0.5);

/**
 * The judged values: the ratio of each round to the reference's round right after it, because both ran under the same
 * conditions; or the values themselves.
 */
export const judged = ({ ours, reference }: Measurement): number[] =>
  reference ? ours.map((value, round) => value / (reference[round] ?? Number.NaN)) : ours;

export const isMet = (measurement: Measurement, target: Target): boolean => {
  const value = median(judged(measurement));
  return "atLeast" in target ? value >= target.atLeast : value <= target.atMost;
};
