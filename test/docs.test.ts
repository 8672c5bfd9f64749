/** The README is true: its tables are the registries, its commands, paths, files and examples exist and work. */
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { channels, writers } from '../src/channels/index.ts';
import { fromText } from '../src/config/load.ts';
import { tables, withTables } from '../src/main/docs.ts';
import { sources } from '../src/sources/index.ts';
import { pick, startApi } from './http/harness.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const README = read('README.md');
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };

const all = (pattern: RegExp, text = README): string[] => [...text.matchAll(pattern)].map(([, found = '']) => found);

/** Values of every variable that the examples name: long enough for a token, of the shape that each wants. */
const DIGITS = '0123456789abcdef0123456789abcdef';
const INVENTED: Readonly<Record<string, string>> = {
  NOTION_DATABASE_ID: DIGITS,
  NOTION_INCIDENTS_DATABASE_ID: DIGITS,
  PAGERDUTY_INTEGRATION_KEY: DIGITS,
  PAGERDUTY_ROUTING_KEY: DIGITS,
  TELEGRAM_TOKEN: '123456789:invented-token-invented-token-00000',
  TEAMS_WORKFLOW_URL: 'https://prod-1.westeurope.logic.azure.com/workflows/invented?sig=invented',
  GITLAB_SIGNING_TOKEN: 'whsec_aW52ZW50ZWQtaW52ZW50ZWQtaW52ZW50ZWQtMDA=',
  GITHUB_APP_ID: '12345',
  GITHUB_INSTALLATION_ID: '67890',
  GITHUB_PRIVATE_KEY: generateKeyPairSync('rsa', { modulusLength: 2_048 })
    .privateKey.export({ type: 'pkcs1', format: 'pem' })
    .toString(),
};
const inventedValue = (name: string): string => {
  if (INVENTED[name] !== undefined) return INVENTED[name];
  if (/^DISCORD_/.test(name)) return `https://discord.com/api/webhooks/123456789012345678/${name.toLowerCase()}`;
  return /_URL(_|$)/.test(name)
    ? `https://example.com/${name.toLowerCase()}`
    : `invented-value-of-${name.toLowerCase()}`;
};
const invented = (text: string): Record<string, string> =>
  Object.fromEntries(all(/\$\{(\w+)\}/g, text).map((name) => [name, inventedValue(name)]));

describe('the tables of the README', () => {
  it('are what the registries say; npm run docs renews them', () => {
    expect(withTables(README)).toBe(README);
  });

  it('are all there, each once, and no other is named', () => {
    expect(all(/<!-- table: (\w+) -->/g).sort()).toEqual(Object.keys(tables()).sort());
  });

  it('would be renewed if one were out of date', () => {
    const stale = README.replace('| `email` | Email |', '| `email` | Pigeon |');
    expect(stale).not.toBe(README);
    expect(withTables(stale)).toBe(README);
  });
});

describe('the README', () => {
  it('begins with the two commands', () => {
    expect(all(/^(npm .*)$/gm).slice(0, 2)).toEqual(['npm ci && npm start', 'npm ci && npm test']);
  });

  it('names only npm scripts that exist', () => {
    const named = [...all(/npm run ([\w:-]+)/g), ...all(/npm (start|test)\b/g)];
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  it('names only files and folders that exist', () => {
    const named = all(/`((?:test|src|deploy|workflows|activities|\.ci)\/[\w./-]+)`/g);
    expect(named.length).toBeGreaterThan(10);
    expect([...new Set(named)].filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it('names only variables that the code reads', () => {
    const [, process = ''] = README.split('**The process** reads:');
    const named = all(/^\| (`[A-Z].*?) \|/gm, process.split('## Channels')[0]).flatMap((cell) =>
      all(/`([A-Z_]+)`/g, cell),
    );
    const code = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .map((path) => read(join('src', path)))
      .join('\n');
    expect(named).toContain('DATABASE_URL');
    expect(named.filter((name) => !new RegExp(`\\b${name}\\b`).test(code))).toEqual([]);
  });

  it('has every request of the API in its table, and no other', async () => {
    const api = await startApi();
    try {
      const { body } = await api.call('GET', '/openapi.json');
      const paths = pick(body, 'paths') as Record<string, Record<string, unknown>>;
      const offered = Object.entries(paths).flatMap(([path, methods]) =>
        Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
      );
      expect(all(/^\| `((?:GET|POST|PUT|PATCH|DELETE|OPTIONS) \/\S+)` \|/gm).sort()).toEqual(offered.sort());
      const matches = (path: string): boolean =>
        Object.keys(paths).some((known) => new RegExp(`^${known.replace(/\{\w+\}/g, '[^/]+')}$`).test(path));
      const named = all(/(?<![\w.-])(?:https?:\/\/[\w.:-]+)?(\/v1\/[\w{}/-]+)/g);
      expect(named.length).toBeGreaterThan(20);
      expect([...new Set(named)].filter((path) => !matches(path))).toEqual([]);
    } finally {
      await api.stop();
    }
  });

  it('has an event that the door takes, in its first curl line', async () => {
    const [sent = ''] = all(/\/v1\/events .*-d '(\{.*\})'/g);
    const api = await startApi();
    try {
      const { status } = await api.call('POST', '/v1/events', { key: api.keys.ingest, raw: sent });
      expect(status).toBe(202);
    } finally {
      await api.stop();
    }
  });

  const examples = all(/```yaml\n([\s\S]*?)```/g);

  it('has examples of the configuration: the first setup in ten lines or fewer, and one of everything', () => {
    expect(examples.length).toBeGreaterThanOrEqual(3);
    expect((examples[0] ?? '').trim().split('\n').length).toBeLessThanOrEqual(10);
  });

  it.each(examples.map((text) => ({ first: text.trim().split('\n', 2).join(' '), text })))(
    'has an example that the real loader takes without a problem: $first',
    ({ text }) => {
      const load = () => fromText(text, 'the README', invented(text), { channels, writers, sources });
      expect(load).not.toThrow();
    },
  );

  it('names no path of a machine and no registry', () => {
    expect(README).not.toMatch(/(?:^|[\s"'`(=])\/(?:home|root|work|tmp|Users)\//);
    expect(README).not.toMatch(/registry\.|npmjs|proxy\.golang/);
  });
});
