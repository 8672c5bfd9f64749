/** `npm run bench`: measures every line and prints them as a table; `npm run bench -- accept told` only some. Fails where something was lost. */
import { cpus, totalmem } from 'node:os';
import { exitCodeOf, HEAD, type Line, rowOf } from './line.ts';
import { acceptLines } from './lines/accept.ts';
import { apiV2Lines } from './lines/api-v2.ts';
import { clusterLines } from './lines/cluster.ts';
import { hangingLines } from './lines/hanging.ts';
import { manyLines } from './lines/many.ts';
import { toldLines } from './lines/told.ts';

const parts: Record<string, () => Promise<Line[]>> = {
  accept: acceptLines,
  v2: apiV2Lines,
  told: toldLines,
  hanging: hangingLines,
  many: manyLines,
  cluster: clusterLines,
};
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in parts));
if (unknown.length > 0)
  throw new Error(`there is no part ${unknown.join(', ')}: there are ${Object.keys(parts).join(', ')}`);

const [{ model } = { model: 'unknown' }] = cpus();
console.log(
  `Measured on ${new Date().toISOString().slice(0, 10)} with \`npm run bench\`: ${cpus().length} cores (${model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}; load, receiver, Temporal and Tocsin on the same machine.\n`,
);
for (const line of HEAD) console.log(line);
const lines: Line[] = [];
for (const [name, measure] of Object.entries(parts)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const measured = await measure();
  for (const line of measured) console.log(rowOf(line));
  lines.push(...measured);
}
process.exit(exitCodeOf(lines));
