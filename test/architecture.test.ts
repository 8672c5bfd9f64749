/** The rooms of the house: who may import whom and what, read from the imports themselves. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { sources } from '../src/sources/index.ts';
import type { AnySource } from '../src/sources/source.ts';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

interface Room {
  /** Rooms (`core`) or single files of a room (`channels/index`); `types of activities` allows `import type` only. */
  rooms: readonly string[];
  packages: readonly string[];
  /** Whether Node's own modules may be used. */
  node: boolean;
}

const PAGES: Room = {
  rooms: ['core', 'expressions', 'sources', 'channels/index', 'ledger', 'config', 'observe', 'egress'],
  packages: ['express', 'helmet', 'zod'],
  node: true,
};

/** A room may always import itself, except that channels and sources do not know their siblings. */
const TABLE: Readonly<Record<string, Room>> = {
  core: { rooms: [], packages: [], node: false },
  sources: { rooms: ['core'], packages: ['zod', 'fast-xml-parser', 'jsonata', 're2js', '@redis/client'], node: true },
  channels: {
    rooms: ['core'],
    packages: [
      'zod',
      '@slack/web-api',
      '@notionhq/client',
      '@pagerduty/pdjs',
      '@octokit/request',
      '@octokit/auth-app',
      'jira.js',
      'nodemailer',
      'standardwebhooks',
    ],
    node: true,
  },
  expressions: { rooms: ['core'], packages: ['re2js'], node: false },
  config: {
    rooms: ['core', 'sources/index', 'channels/index', 'expressions'],
    packages: ['zod', 'yaml'],
    node: true,
  },
  ledger: { rooms: ['core', 'expressions'], packages: ['pg', '@electric-sql/pglite'], node: true },
  relay: { rooms: ['core', 'ledger', 'observe'], packages: [], node: true },
  observe: { rooms: ['core'], packages: ['pino', 'prom-client'], node: true },
  egress: { rooms: ['core'], packages: ['undici', 'ipaddr.js'], node: true },
  workflows: {
    rooms: ['core', 'types of activities'],
    packages: ['@temporalio/workflow', '@temporalio/common'],
    node: false,
  },
  activities: {
    rooms: ['core', 'channels', 'ledger', 'config', 'observe'],
    packages: ['@temporalio/activity', '@temporalio/common'],
    node: true,
  },
  temporal: {
    rooms: ['core', 'workflows/contract', 'activities', 'config', 'observe'],
    packages: ['@temporalio/client', '@temporalio/common', '@temporalio/envconfig', '@temporalio/worker'],
    node: true,
  },
  http: PAGES,
  console: PAGES,
  listeners: {
    rooms: ['core', 'sources', 'ledger', 'config', 'observe', 'http/auth', 'http/bucket', 'http/problem'],
    packages: [
      'zod',
      'smtp-server',
      'postal-mime',
      '@grpc/grpc-js',
      '@grpc/proto-loader',
      '@grpc/reflection',
      'grpc-health-check',
    ],
    node: true,
  },
  /** What runs at the sender's, without any part of the server. */
  clients: { rooms: [], packages: ['openapi-fetch'], node: true },
};
/** What the table forbids and is done all the same, by file; what is mended leaves the list. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {};
/** Wires everything, and is imported by nothing: it stands in no row above. */
const WIRING = 'main';

const LINES_MAX = 350;
/** Longer than that today, with the length they may not exceed; a file that has shrunk leaves the list. */
const TOO_LONG: Readonly<Record<string, number>> = {};

/** Written from the OpenAPI document by test/clients/api.test.ts: as long as the API is large. */
const GENERATED: readonly string[] = ['src/clients/api.ts'];

interface Import {
  /** As written: `../core/event.ts`, `zod`, `node:fs`. */
  from: string;
  typeOnly: boolean;
}

/** Every import and re-export of a source, dynamic ones too. */
function importsIn(source: string): Import[] {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  const stated = code.matchAll(/^(?:import|export)\s+(type\s)?(?:[\w*{][^;'"]*?\bfrom\s+)?['"]([^'"]+)['"]/gm);
  const called = code.matchAll(/\b(?:import|require)\s*\(\s*['"]([^'"]+)['"]/g);
  return [
    ...[...stated].map(([, type, from = '']) => ({ from, typeOnly: type !== undefined })),
    ...[...called].map(([, from = '']) => ({ from, typeOnly: false })),
  ];
}

/** The room of a file, and its name there: `src/core/event.ts` is `event` in `core`. */
function placeOf(path: string): { room: string; name: string } {
  const [first = '', second = '', ...rest] = path.split('/');
  const [room, names] = first === 'src' ? [second, rest] : [first, [second, ...rest]];
  return { room, name: names.join('/').replace(/\.ts$/, '') };
}

const packageOf = (from: string): string => from.split('/', from.startsWith('@') ? 2 : 1).join('/');
const isBuiltin = (from: string): boolean => from.startsWith('node:') || builtinModules.includes(from);

/** What is wrong with an import, in words; undefined where nothing is. */
function problemWith(path: string, { from, typeOnly }: Import): string | undefined {
  const { room, name } = placeOf(path);
  const row = TABLE[room];
  if (room === WIRING) return undefined;
  if (!row) return `${path} is in no room of the table`;
  if (isBuiltin(from)) return row.node ? undefined : `${path} imports ${from}: ${room} may use nothing of Node`;
  if (!from.startsWith('.')) {
    return row.packages.includes(packageOf(from)) ? undefined : `${path} imports the package ${packageOf(from)}`;
  }
  const target = placeOf(posix.join(posix.dirname(path), from));
  const file = `${target.room}/${target.name}`;
  if (target.room === room)
    return knowsSibling(room, name, target.name) ? `${path} imports its sibling ${file}` : undefined;
  if (row.rooms.includes(target.room) || row.rooms.includes(file)) return undefined;
  if (row.rooms.includes(`types of ${target.room}`)) {
    return typeOnly ? undefined : `${path} imports more than types from ${file}`;
  }
  return `${path} imports ${file}: ${room} may not`;
}

/**
 * Channels and sources share the contract alone (and its parts), and only the list knows them all. A large one has parts in a folder of
 * its name; `notion` and `notion-database` are one vendor's and may share the vendor's folder.
 */
const CONTRACTS: Readonly<Record<string, string>> = { channels: 'channel', sources: 'source' };
const ownerOf = (name: string): string => name.split(/[/-]/)[0] ?? name;
const knowsSibling = (room: string, name: string, target: string): boolean =>
  CONTRACTS[room] !== undefined &&
  name !== 'index' &&
  target !== CONTRACTS[room] &&
  !target.startsWith(`${CONTRACTS[room]}/`) &&
  !(target.includes('/') && ownerOf(target) === ownerOf(name));

interface Source {
  path: string;
  text: string;
}

const sourcesUnder = (folder: string): Source[] =>
  readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({ path: relative(ROOT, file).replaceAll('\\', '/'), text: readFileSync(file, 'utf8') }));

const house = ['src', 'workflows', 'activities'].flatMap(sourcesUnder);
const linesOf = ({ text }: Source): number => text.split('\n').length - 1;

const isKnown = (path: string, from: string): boolean => KNOWN[path]?.includes(from) ?? false;

describe('the rooms', () => {
  it('import only what the table allows', () => {
    const problems = house.flatMap(({ path, text }) =>
      importsIn(text).flatMap((one) => (isKnown(path, one.from) ? [] : (problemWith(path, one) ?? []))),
    );
    expect(problems).toEqual([]);
  });

  it('still hold what is listed as known', () => {
    const listed = Object.entries(KNOWN).flatMap(([path, froms]) => froms.map((from) => `${path} ${from}`));
    const found = house.flatMap(({ path, text }) =>
      importsIn(text).flatMap((one) => (problemWith(path, one) ? [`${path} ${one.from}`] : [])),
    );
    expect(listed.filter((one) => !found.includes(one))).toEqual([]);
  });

  it('all stand in the table', () => {
    const unknown = house.map(({ path }) => placeOf(path).room).filter((room) => !(room in TABLE) && room !== WIRING);
    expect([...new Set(unknown)]).toEqual([]);
  });

  it('keep main for the wiring: nobody imports it', () => {
    const imported = house
      .filter(({ path }) => placeOf(path).room !== WIRING)
      .flatMap(({ path, text }) => importsIn(text).map(({ from }) => posix.join(posix.dirname(path), from)))
      .filter((target) => target.startsWith(`src/${WIRING}/`));
    expect(imported).toEqual([]);
  });
});

describe('a channel or a source', () => {
  /** Where its name may stand: its own file with the parts of it, and the list. */
  const isOwn = (room: string, id: string, path: string): boolean =>
    path === `src/${room}/index.ts` || path === `src/${room}/${id}.ts` || path.startsWith(`src/${room}/${id}/`);

  it.each(sources.filter(({ consume }: AnySource) => consume))(
    'that is read from a broker is one file and one line: $id',
    ({ id }) => {
      const knowing = house.filter(({ path, text }) => text.includes(`${id}`) && !isOwn('sources', id, path));
      expect(knowing.map(({ path }) => path)).toEqual([]);
    },
  );
});

describe('what workflows are made of', () => {
  // All workflows of a thread share these modules (src/temporal/bundling.ts): a variable of one would be every other's too.
  it('keeps no variable outside of its functions', () => {
    const variables = house
      .filter(({ path }) => ['core', 'workflows'].includes(placeOf(path).room))
      .flatMap(({ path, text }) =>
        [...text.matchAll(/^(?:export )?(?:let|var) \w+/gm)].map(([one]) => `${path}: ${one}`),
      );
    expect(variables).toEqual([]);
  });
});

describe('the scan of imports', () => {
  it('sees every way of importing', () => {
    const source = `/** import 'in a comment'; */
import 'a';
import b from "b";
import * as c from 'c';
import {
  type D,
  d,
} from './d.ts';
import type { E } from '../e.ts';
export { f } from 'f/deep';
const g = await import('g');
const text = "no import x from 'x'";
`;
    expect(importsIn(source)).toEqual([
      { from: 'a', typeOnly: false },
      { from: 'b', typeOnly: false },
      { from: 'c', typeOnly: false },
      { from: './d.ts', typeOnly: false },
      { from: '../e.ts', typeOnly: true },
      { from: 'f/deep', typeOnly: false },
      { from: 'g', typeOnly: false },
    ]);
  });

  it.each([
    ['src/core/event.ts', 'zod', false],
    ['src/core/event.ts', 'node:crypto', false],
    ['src/core/event.ts', '../ledger/db.ts', true],
    ['src/channels/slack.ts', './email.ts', false],
    ['src/channels/slack.ts', './email/parts.ts', false],
    ['src/channels/notion-database.ts', './notion.ts', false],
    ['src/channels/slack/words.ts', '../slack.ts', false],
    ['src/channels/slack.ts', '../ledger/db.ts', false],
    ['src/sources/mapping.ts', './alertmanager.ts', false],
    ['src/config/load.ts', '../channels/slack.ts', false],
    ['src/relay/relay.ts', '@temporalio/client', false],
    ['src/temporal/carrier.ts', '../../workflows/incident.ts', false],
    ['src/http/app.ts', '../main/start.ts', true],
    ['workflows/incident.ts', '../activities/index.ts', false],
    ['workflows/incident.ts', 'node:fs', false],
    ['activities/deliver.ts', '../src/http/app.ts', true],
  ])('refuses %s importing %s', (path, from, typeOnly) => {
    expect(problemWith(path, { from, typeOnly })).toContain(path);
  });

  it.each([
    ['src/channels/slack.ts', './channel.ts', false],
    ['src/channels/slack.ts', './slack/words.ts', false],
    ['src/channels/slack/words.ts', './more.ts', false],
    ['src/channels/notion-database.ts', './notion/words.ts', false],
    ['src/channels/slack/words.ts', '../channel.ts', false],
    ['src/channels/index.ts', './slack.ts', false],
    ['src/temporal/carrier.ts', '../../workflows/contract.ts', false],
    ['workflows/incident.ts', '../activities/index.ts', true],
    ['src/main/start.ts', '../http/app.ts', false],
  ])('allows %s importing %s', (path, from, typeOnly) => {
    expect(problemWith(path, { from, typeOnly })).toBeUndefined();
  });
});

describe('every file', () => {
  it('opens with a sentence that says what it is', () => {
    const silent = house.filter(({ text }) => !/^(#!.*\n)?\/\*\*\s+(\*\s+)?\S/.test(text)).map(({ path }) => path);
    expect(silent).toEqual([]);
  });

  it(`has at most ${LINES_MAX} lines, or no more than it is known for`, () => {
    const long = house
      .filter((file) => !GENERATED.includes(file.path) && linesOf(file) > (TOO_LONG[file.path] ?? LINES_MAX))
      .map((file) => `${file.path}: ${linesOf(file)}`);
    expect(long).toEqual([]);
  });

  it('that is listed as too long still is', () => {
    const known = house.filter(({ path }) => path in TOO_LONG);
    expect(
      known
        .filter((file) => linesOf(file) > LINES_MAX)
        .map(({ path }) => path)
        .sort(),
    ).toEqual(Object.keys(TOO_LONG).sort());
  });
});

/**
 * What a test may not do: put something of its own in the place of a module, of `fetch`, or of what a channel does. Vendors
 * are faked behind HTTP (test/support/fakes), where the code that is tested cannot tell.
 */
const MOCKS: readonly RegExp[] = [
  /\bvi\.(?:mock|doMock|importMock)\(/,
  /\bvi\.stubGlobal\(/,
  /(?<!typeof )\bglobalThis\.fetch\s*=[^=>]/,
  /\bvi\.spyOn\(\s*(?:globalThis|global|channel\w*|channelOf\([^)]*\)|slack\w*|notion\w*)\s*,/,
  /\b(?:channel|channelOf\([^)]*\)|slack|slackWebhook|discord|teams|email|webhook|telegram|sms|jira|linear|github|pagerduty|apprise|notion|notionDatabase|stdout)\.(?:send|check|find|ears|edits|render)\s*=[^=>]/,
  /\bdelete\s+channel\w*\.\w+/,
];
/** By file, with what it replaces: nothing of a vendor's, and nothing of ours. */
const MOCKED: Readonly<Record<string, string>> = {
  'test/security/keys.test.ts': "vi.mock('node:crypto'",
};
const mockIn = (text: string): string | undefined =>
  text.split('\n').find((line) => MOCKS.some((pattern) => pattern.test(line)) && !/^\s*(?:\/\/|\/?\*)/.test(line));

describe('a test', () => {
  const tests = sourcesUnder('test').filter(({ path }) => path !== 'test/architecture.test.ts');

  it('puts nothing in the place of a module, of fetch or of what a channel does', () => {
    const found = tests.flatMap(({ path, text }) => {
      const line = mockIn(text);
      return line === undefined || (path in MOCKED && line.includes(MOCKED[path] ?? ''))
        ? []
        : [`${path}: ${line.trim()}`];
    });
    expect(found).toEqual([]);
  });

  it('that is listed as replacing something still does', () => {
    expect(tests.filter(({ path, text }) => path in MOCKED && mockIn(text) !== undefined)).toHaveLength(
      Object.keys(MOCKED).length,
    );
  });

  it.each([
    "vi.mock('@slack/web-api');",
    "  vi.doMock('../../src/channels/slack.ts', () => ({}));",
    "vi.stubGlobal('fetch', async () => new Response());",
    'globalThis.fetch = async () => new Response();',
    "vi.spyOn(globalThis, 'fetch');",
    "vi.spyOn(channel, 'send').mockResolvedValue(delivered());",
    'channel.check = async () => delivered();',
    "channelOf('slack').send = async () => delivered();",
    'delete channel.check;',
  ])('would be refused with: %s', (line) => {
    expect(mockIn(`const a = 1;\n${line}\n`)).toBe(line);
  });

  it.each([
    "vi.spyOn(h.ledger, 'query').mockImplementation(query);",
    'const sent = await channel.send(call);',
    'const check = channel.check?.(call);',
    'if (channel.check === undefined) return;',
    "// vi.mock('this is only told of')",
    'const fetch: typeof globalThis.fetch = async () => new Response();',
  ])('may do: %s', (line) => {
    expect(mockIn(line)).toBeUndefined();
  });
});

/** The largest are the lock and README.md, some 200 KB each. */
const FILE_MAX_BYTES = 500_000;
const AT_THE_TOP =
  '.ci .dockerignore .gitignore CHANGELOG.md LICENSE README.md activities biome.json deploy docker-compose.yml knip.json package-lock.json package.json src test tsconfig.json vitest.config.ts vitest.postgres.config.ts workflows';

describe('what is kept in the repository', () => {
  const listed = spawnSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8' });
  const kept = listed.stdout?.split('\0').filter((path) => path !== '' && existsSync(join(ROOT, path))) ?? [];

  it.runIf(listed.status === 0)('is what was meant to be: known names at the top, and nothing in bulk', () => {
    expect([...new Set(kept.map((path) => path.split('/')[0]))].sort().join(' ')).toBe(AT_THE_TOP);
    expect(kept.filter((path) => statSync(join(ROOT, path)).size > FILE_MAX_BYTES)).toEqual([]);
  });

  it('names in its histories neither the machine that they were recorded on nor its folders', () => {
    const folder = join(ROOT, 'test/histories');
    const telling = readdirSync(folder).filter((name) =>
      /node_modules|\d+@(?!worker")|"stackTrace":"[^"]/.test(
        readFileSync(join(folder, name), 'utf8').replace(/@temporalio\/[\w+.-]+/g, ''),
      ),
    );
    expect(telling).toEqual([]);
  });
});
