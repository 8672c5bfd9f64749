/** The tables of the README, generated from the registries, so that they cannot be out of date. */
import { readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { type Channel, secretPaths } from '../channels/channel.ts';
import { channels, writers } from '../channels/index.ts';
import { envTable } from '../config/env.ts';
import { SharedFields } from '../config/schema.ts';
import { REASONS } from '../core/notice.ts';
import { inWords } from '../core/time.ts';
import { metricsTable } from '../observe/metrics.ts';
import { sources } from '../sources/index.ts';

const row = (...cells: string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
const table = (head: string[], rows: string[][]): string =>
  [row(...head), row(...head.map(() => '---')), ...rows.map((cells) => row(...cells))].join('\n');

/** Every generated part by the name it has in the README's marks. */
export const tables = (): Record<string, string> => ({
  channels: table(
    [
      'type',
      'what',
      'threads',
      'edits',
      'answers',
      'check',
      'look-up',
      'receipts',
      'rate',
      'timeout',
      'attempts',
      'waits',
      'before it works',
    ],
    channels.map((channel: Channel) => [
      `\`${channel.id}\``,
      channel.name,
      yesOrNo(channel.can.thread),
      yesOrNo(channel.can.update),
      yesOrNo(channel.can.answer),
      yesOrNo(channel.check),
      // Who knows a message when it comes again needs no look-up.
      channel.recognises ? 'not needed' : yesOrNo(channel.find),
      receiptsOf(channel),
      rateOf(channel.rate),
      inWords(channel.patience.timeout_ms),
      String(channel.patience.max_attempts),
      waitsOf(channel.patience),
      channel.setup,
    ]),
  ),
  settings: [...channels, ...writers].map(({ id, config }) => `\`${id}\`\n\n${settingsOf(config)}`).join('\n\n'),
  shared: settingsOf(SharedFields.omit({ type: true })),
  sources: table(
    ['type', 'what', 'before it works'],
    sources.map(({ id, name, setup }) => [`\`${id}\``, name, setup]),
  ),
  source_settings: sources.map(({ id, config }) => `\`${id}\`\n\n${settingsOf(config)}`).join('\n\n'),
  environment: table(
    ['variable (each also as `…_FILE`)', 'configures'],
    envTable().map(({ names, words }) => [names.map((name) => `\`${name}\``).join(', '), words]),
  ),
  reasons: table(
    ['reason', 'meaning'],
    Object.entries(REASONS).map(([reason, words]) => [`\`${reason}\``, words]),
  ),
  metrics: metricsTable(),
});

const yesOrNo = (has: unknown): string => (has ? 'yes' : 'no');

/** What a provider only passes on is `sent`, and stays so where nobody tells what became of it. */
const receiptsOf = ({ arrives, ears }: Channel): string => (arrives ? (ears ? 'yes' : 'no: stays `sent`') : 'no');

const rateOf = (rate: Channel['rate']): string => (rate ? `${rate.count} in ${inWords(rate.per_ms)}` : '');

const waitsOf = ({ max_attempts, backoff_ms }: Channel['patience']): string =>
  Array.from({ length: max_attempts - 1 }, (_, n) => inWords(backoff_ms * 2 ** n)).join(', ');

function settingsOf(config: z.ZodObject): string {
  const schema = z.toJSONSchema(config, { io: 'input', unrepresentable: 'any' }) as {
    properties?: Record<string, { title?: string; description?: string; default?: unknown }>;
    required?: string[];
  };
  const secrets = new Set(secretPaths(config).map(([field]) => field));
  const fields = Object.entries(schema.properties ?? {});
  const isSaid = ([, { title, description }]: (typeof fields)[number]): boolean => Boolean(title || description);
  const unsaid = fields.filter((field) => !isSaid(field)).map(([name]) => `\`${name}\``);
  const said = table(
    ['setting', 'needed', 'meaning'],
    fields
      .filter(isSaid)
      .map(([name, { title = '', description = '', default: usual }]) => [
        `\`${name}\`${secrets.has(name) ? ' (secret)' : ''}`,
        schema.required?.includes(name) && usual === undefined ? 'yes' : '',
        [title && description ? `${title}: ${description}` : title || description, defaultInWords(usual)]
          .filter(Boolean)
          .join(' '),
      ]),
  );
  return unsaid.length === 0 ? said : `${said}\n\nBesides, named as in an event: ${unsaid.join(', ')}.`;
}

const defaultInWords = (usual: unknown): string => (usual === undefined ? '' : `Default ${JSON.stringify(usual)}.`);

/** The text with every generated part renewed: what stands between `<!-- table: NAME -->` and `<!-- end -->`. */
export function withTables(text: string): string {
  const made = tables();
  return text.replace(/<!-- table: (\w+) -->\n[\s\S]*?<!-- end -->/g, (whole, name: string) =>
    made[name] === undefined ? whole : `<!-- table: ${name} -->\n${made[name]}\n<!-- end -->`,
  );
}

/** The tables as text; with a file, they are put into it and what was done is said. */
export function writeDocs(file: string | undefined): string {
  if (file === undefined)
    return Object.entries(tables())
      .map(([name, text]) => `## ${name}\n\n${text}`)
      .join('\n\n');
  writeFileSync(file, withTables(readFileSync(file, 'utf8')));
  return `the tables of ${file} are renewed`;
}
