/** The workflows a worker runs; their names are in contract.ts. */
export { dailySummary } from './daily-summary.ts';
export { incident } from './incident.ts';
export { sendOne } from './send-one.ts';
