/** What a measurement says: one row of the table. */
export interface Line {
  /** What was measured. */
  what: string;
  measured: string;
  /** What it is held against, measured in the same run. */
  against?: string;
  aim?: string;
}

/** The value below which this share of the numbers lies; the numbers need no order. */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
export const count = (value: number): string => Math.round(value).toLocaleString('en');
export const ratio = (value: number, of: number): string => (value / of).toFixed(2);
