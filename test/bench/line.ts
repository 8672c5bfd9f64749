/** What a measurement says: one row of the table. */
export type Line = {
  /** What was measured. */
  what: string;
  measured: string;
  /** What it is held against, measured in the same run. */
  against?: string;
  /** How much of what was accepted is gone, where that is what is measured. */
  lost?: number;
} & (Aimed | { aim?: never; met?: never });

/** What was wanted, and whether this is it. */
interface Aimed {
  aim: string;
  met: boolean;
}

const cells = (...texts: string[]): string => `| ${texts.join(' | ')} |`;

/** The two lines that a table begins with. */
export const HEAD: readonly string[] = [
  cells('what', 'measured', 'against, in the same run', 'aim', 'met'),
  cells('---', '---', '---', '---', '---'),
];

export const rowOf = ({ what, measured, against = '', aim = '', met }: Line): string =>
  cells(what, measured, against, aim, met === undefined ? '' : met ? 'met' : 'not met');

/** An aim may be missed by a slow machine; nothing may be lost by any. */
export const exitCodeOf = (lines: readonly Line[]): 0 | 1 => (lines.some(({ lost = 0 }) => lost > 0) ? 1 : 0);

/** The value below which this share of the numbers lies; the numbers need no order. */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
export const count = (value: number): string => Math.round(value).toLocaleString('en');
export const ratio = (value: number, of: number): string => (value / of).toFixed(2);
