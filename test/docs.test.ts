/** The README is true: its tables are the registries, its commands, paths, files and examples exist and work. */
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { channels, writers } from '../src/channels/index.ts';
import { fromText } from '../src/config/load.ts';
import { MANY_MAX_BYTES } from '../src/http/body.ts';
import { tables, withTables } from '../src/main/docs.ts';
import { sourceOf, sources } from '../src/sources/index.ts';
import { type Api, pick, startApi } from './http/harness.ts';

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

describe('a message of each source, in the README', () => {
  const [, section = ''] = README.split('### A message of each source\n');
  const [text = ''] = section.split('\n### ');
  const [yaml = ''] = all(/```yaml\n([\s\S]*?)```/g, text);
  const [script = ''] = all(/```sh\n([\s\S]*?)```/g, text);
  const known = fromText(yaml, 'the README', invented(yaml), { channels, writers, sources }).sources;

  let api: Api;
  beforeAll(async () => {
    const whole = `integrations: { terminal: { type: stdout } }\ndefault: { notify: [terminal] }\n${yaml}`;
    api = await startApi({ config: fromText(whole, 'the README', invented(yaml), { channels, writers, sources }) });
  });
  afterAll(() => api.stop());

  /** What each line of the script would call, as the words that a shell makes of it; nothing is called. */
  function callsIn(lines: string, env: Record<string, string>): string[][] {
    const noting = (name: string) => `${name}() { printf '%s\\n' '' ${name} "$@"; }`;
    const shell = [noting('curl'), noting('redis_cli'), lines.replaceAll('redis-cli', 'redis_cli')].join('\n');
    const said = execFileSync('sh', ['-euc', shell], { cwd: ROOT, env: { ...process.env, ...env }, encoding: 'utf8' });
    return said
      .trim()
      .split('\n\n')
      .map((call) => call.split('\n'));
  }

  /** The value after a flag of curl; all of them where it is given several times. */
  const flagged = (words: string[], flag: string): string[] =>
    words.flatMap((word, at) => (word === flag ? (words[at + 1] ?? []) : []));
  const sample = (path = ''): Buffer => readFileSync(join(ROOT, 'test/samples', path));

  const OTHER_WAYS: Readonly<Record<string, string>> = {
    pagerduty: '/v2/enqueue',
    opsgenie: '/v2/alerts',
    mail: 'curl smtp:',
    'redis-stream': 'redis-cli XADD',
  };
  it('is there for all of them', () => {
    const types = [...known.values()].map(({ type }) => type);
    const builtIn = all(/\$TOCSIN\/v1\/sources\/([\w-]+)/g, script).filter((name) => !known.has(name));
    expect([...types, ...builtIn].sort()).toEqual(sources.map(({ id }) => id).sort());
    for (const [name, { type }] of known) expect(script).toContain(OTHER_WAYS[type] ?? `/v1/sources/${name}`);
  });

  it('is what the samples hold, and is taken as it stands there', async () => {
    const calls = callsIn(script, {
      ...invented(yaml),
      TOCSIN: api.url,
      TOCSIN_API_KEY: api.keys.ingest,
      TOCSIN_OPERATOR_KEY: api.keys.operator,
    });
    expect(calls.length).toBe(script.match(/^(?:curl|redis-cli) /gm)?.length);
    for (const [program, ...words] of calls) {
      if (program === 'redis_cli') {
        const [, , , ...fields] = words;
        const entries = JSON.parse(sample('redis-stream/xrange.json').toString()) as [id: string, fields: string[]][];
        expect(entries.map((entry) => entry[1])).toContainEqual(fields);
      } else if (words.some((word) => word.startsWith('smtp:'))) {
        const letter = sample(flagged(words, '-T')[0]).toString();
        expect(flagged(words, '--mail-rcpt')).toEqual(all(/^To: (.*?)\r?$/gm, letter));
      } else {
        const [method = 'POST'] = flagged(words, '-X');
        const [address = ''] = words.filter((word) => word.startsWith(api.url));
        const headers = Object.fromEntries(flagged(words, '-H').map((header) => header.split(/: (.*)/, 2)));
        const raw = sample(flagged(words, '--data-binary')[0]?.replace(/^@/, ''));
        // curl calls a body a form where nobody says what it is.
        const type = { 'content-type': 'application/x-www-form-urlencoded' };
        const { status, body } = await api.call(method, address.slice(api.url.length), {
          raw,
          headers: { ...type, ...headers },
        });
        expect
          .soft([address, status, pick(body, 'rejected') ?? []])
          .toEqual([address, expect.toBeOneOf([200, 201, 202]), []]);
      }
    }
  });
});

it('what is YAML in the README and not loaded here is said to be a file of another program', () => {
  const fences = all(/^```(ya?ml.*)\n/gm).filter((fence) => fence !== 'yaml');
  expect(fences).toEqual(['yaml alertmanager.yml', 'yml']);
  expect(all(/^```yml\n(.*)/gm)).toEqual([expect.stringMatching(/^# prometheus\.yml/)]);
});

it('how much a source takes is what the README says of it', () => {
  const section = (name: string): string =>
    README.split(`<summary><b>${name}</b>`).at(-1)?.split('</details>')[0] ?? '';
  const said = (name: string): number => Number(/^\| 413 \| more than (\d+) MB/m.exec(section(name))?.[1]);
  const most = (id: string): number => (sourceOf(id)?.max_bytes ?? MANY_MAX_BYTES) / 1024 / 1024;
  expect([said('GitHub'), said('GitLab')]).toEqual([most('github'), most('gitlab')]);
});

describe('the messages that the README explains, channel by channel', () => {
  const section = README.split('### Each channel\n')[1]?.split('\n### ')[0] ?? '';
  const plain = (text: string): string => text.replaceAll("\\'", "'").replaceAll('’', "'");
  const code = plain(
    ['src/channels', 'src/core', 'src/egress']
      .flatMap((room) =>
        readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' }).map((at) => join(room, at)),
      )
      .filter((path) => path.endsWith('.ts'))
      .map(read)
      .join('\n'),
  );
  /** Put together of pieces too short to be looked for, with the piece. */
  const PIECED: Readonly<Record<string, string>> = {
    'opened without priority, …': 'opened without ${',
    'no such Team': 'no such ${',
    'PagerDuty: invalid event: payload.…': 'PagerDuty: invalid event',
    'the issue OPS-7 is gone': '} is gone',
  };
  const quoted = all(/^\| (.*?) \| /gm, section).flatMap((cell) => all(/`([^`]+)`/g, cell));

  /** What of a message stands as it is in the code: pieces without names of vendors, numbers, codes and what is left out. */
  const piecesOf = (message: string): string[] =>
    plain(message)
      .replace(/^[A-Z]\w+: /, '')
      .split(/…|\d+|"[^"]*"|[A-Z]{5,}/)
      .map((piece) => piece.replace(/^[:;,()\s]+|[:;,(\s]+$/g, ''))
      .filter((piece) => piece.length >= 8);
  /** Three words of it in a row: names may stand between. */
  const triplesOf = (piece: string): string[] => {
    const words = piece.split(/\s+/);
    return words.slice(2).map((_, at) => words.slice(at, at + 3).join(' '));
  };

  it('are many', () => {
    expect(quoted.length).toBeGreaterThan(100);
  });

  it.each([...new Set(quoted)].filter((message) => PIECED[message] !== undefined || piecesOf(message).length > 0))(
    'are said by the code: %s',
    (message) => {
      const wanted = PIECED[message];
      const found = wanted
        ? code.includes(wanted)
        : piecesOf(message).some((piece) => [piece, ...triplesOf(piece)].some((words) => code.includes(words)));
      expect(found).toBe(true);
    },
  );
});
