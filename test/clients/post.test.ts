import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startPost } from '../../src/clients/post.ts';
import { settingsOf } from '../../src/clients/settings.ts';
import { openSpool, type Told } from '../../src/clients/spool.ts';
import { until } from '../support/until.ts';
import { type Door, KEY, startDoor } from './door.ts';

const event = (id: string, more: Partial<Told> = {}): Told => ({ id, type: 'job_progress', title: id, ...more });

let door: Door;
let said: string[];
const say = (line: string): void => void said.push(line);
beforeEach(async () => {
  door = await startDoor();
  said = [];
});
afterEach(() => door.close());

const begin = (folder = door.spool, key = KEY) => {
  const spool = openSpool(folder);
  return { spool, post: startPost(spool, { url: door.url, key }, say) };
};
const ids = (): string[] => door.told.map(({ id }) => id);

describe('the spool', () => {
  it('keeps events in the order they were said, though the clock is set back', () => {
    const times = [2_000, 1_000, 3_000];
    const spool = openSpool(door.spool, { now: () => times.shift() ?? 0 });
    for (const id of ['a', 'b', 'c']) spool.add(event(id));
    expect(spool.waiting().map((name) => spool.read(name)?.id)).toEqual(['a', 'b', 'c']);
  });

  it('is for its owner only, and takes nothing for an event that is none', () => {
    const folder = join(door.spool, 'made');
    const spool = openSpool(folder);
    spool.add(event('a'));
    writeFileSync(join(folder, 'notes.txt'), 'mine');
    const [name = ''] = spool.waiting();
    expect(spool.waiting()).toHaveLength(1);
    expect([statSync(folder).mode & 0o777, statSync(join(folder, name)).mode & 0o777]).toEqual([0o700, 0o600]);
  });

  it('that is full lets go of the oldest progress first, and names what it dropped', () => {
    const spool = openSpool(door.spool, { bytesMax: 450 });
    const words = 'x'.repeat(80);
    spool.add(event('start', { type: 'job_started', words }));
    spool.add(event('p1', { words }));
    spool.add(event('p2', { words }));
    expect(spool.add(event('end', { type: 'job_completed', words })).dropped).toEqual(['p1']);
    expect(spool.waiting().map((name) => spool.read(name)?.id)).toEqual(['start', 'p2', 'end']);
  });
});

describe('the post', () => {
  it('sends what it is told, and leaves nothing behind', async () => {
    const { spool, post } = begin();
    post.tell(event('a'));
    post.tell(event('b'));
    await post.finish(20_000);
    expect([ids(), spool.waiting(), said]).toEqual([['a', 'b'], [], []]);
  });

  it('keeps what it is told while the server is away, says so once, and sends it in order when it is back', async () => {
    door.state = 'away';
    const { post } = begin();
    for (const id of ['a', 'b', 'c']) post.tell(event(id));
    await until('the first attempt', () => said[0]);
    expect(said).toEqual([expect.stringMatching(/^Tocsin at 127\.0\.0\.1:\d+ cannot be reached; what is said/)]);
    door.state = 'open';
    await until('all of them', () => (ids().length === 3 ? true : undefined));
    expect(ids()).toEqual(['a', 'b', 'c']);
    await post.finish(20_000);
    expect(said).toHaveLength(1);
  });

  it('leaves to the next run what it could not send, and gives up when its time is over', async () => {
    door.state = { status: 503 };
    const first = begin();
    first.post.tell(event('a'));
    await first.post.finish(50);
    expect(said.at(-1)).toBe('1 event waits in the spool; the next run sends them');
    door.state = 'open';
    const second = begin();
    second.post.tell(event('b'));
    await second.post.finish(20_000);
    expect([ids(), second.spool.waiting()]).toEqual([['a', 'b'], []]);
  });

  it('drops only what Tocsin itself refuses, and says why', async () => {
    door.state = {
      status: 400,
      body: { type: 'urn:tocsin:problem:invalid', errors: [{ field: '[0].x', problem: 'is odd' }] },
    };
    const { spool, post } = begin();
    post.tell(event('a'));
    post.tell(event('b'));
    await post.finish(20_000);
    expect(said).toEqual(['a', 'b'].map((id) => `Tocsin refuses the event ${id}: [0].x is odd; it is dropped`));
    expect(spool.waiting()).toEqual([]);
  });

  it('takes the 400 of a proxy on the way for a server that is away', async () => {
    door.state = { status: 400, body: { error: 'bad gateway, so to say' } };
    const { spool, post } = begin();
    post.tell(event('a'));
    await post.finish(50);
    expect(spool.waiting()).toHaveLength(1);
  });

  it('keeps what comes with a key that is refused, until the key is mended', async () => {
    const wrong = begin(door.spool, 'another-key-altogether');
    wrong.post.tell(event('a'));
    await until('the refusal', () => said[0]);
    await wrong.post.finish(50);
    expect(said[0]).toMatch(/^Tocsin refuses the key \(401\): it needs the scope ingest/);
    await begin().post.finish(20_000);
    expect(ids()).toEqual(['a']);
  });

  it('never lets its key into what it tells, keeps or says', async () => {
    door.state = { status: 503 };
    const { spool, post } = begin();
    post.tell(event('a', { body: `the environment: TOCSIN_API_KEY=${KEY}` }));
    await post.finish(50);
    const [name = ''] = spool.waiting();
    expect(spool.read(name)?.body).toBe('the environment: TOCSIN_API_KEY=•••');
    expect(said.join()).not.toContain(KEY);
  });

  it('sends many in few requests', async () => {
    door.state = 'away';
    const { post } = begin();
    for (let at = 0; at < 250; at++) post.tell(event(`e${at}`));
    await until('the first attempt', () => said[0]);
    door.state = 'open';
    await post.finish(60_000);
    expect(ids()).toEqual(Array.from({ length: 250 }, (_, at) => `e${at}`));
    expect(Math.max(...door.requests)).toBe(200);
  });
});

describe('the settings', () => {
  it('are an address, a key and a spool for each Tocsin', () => {
    const env = { TOCSIN_URL: 'https://tocsin.example.com/alerts/', TOCSIN_API_KEY: KEY, TOCSIN_SPOOL: '/var/spool/t' };
    expect(settingsOf({ ...env, ENVIRONMENT: 'staging' })).toEqual({
      url: 'https://tocsin.example.com/alerts',
      key: KEY,
      folder: join('/var/spool/t', 'tocsin.example.com_alerts'),
      environment: 'staging',
      waitMs: 5_000,
    });
    const other = settingsOf({
      TOCSIN_URL: 'http://127.0.0.1:8080',
      TOCSIN_API_KEY: KEY,
      XDG_STATE_HOME: '/state',
      TOCSIN_WAIT: '0.5',
    });
    expect(other).toMatchObject({ folder: join('/state', 'tocsin', 'spool', '127.0.0.1_8080'), waitMs: 500 });
  });

  it('take the key from a file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tocsin-key-'));
    writeFileSync(join(folder, 'key'), `${KEY}\n`);
    expect(settingsOf({ TOCSIN_URL: 'http://127.0.0.1:1', TOCSIN_API_KEY_FILE: join(folder, 'key') })).toMatchObject({
      key: KEY,
    });
    rmSync(folder, { recursive: true });
    expect(readdirSync(door.spool)).toEqual([]);
  });

  it.each([
    [{}, /^TOCSIN_URL is not set/],
    [{ TOCSIN_URL: 'ftp://x', TOCSIN_API_KEY: KEY }, /no.* http or https address/],
    [{ TOCSIN_URL: `http://me:${KEY}@x`, TOCSIN_API_KEY: KEY }, /holds a login/],
    [{ TOCSIN_URL: 'http://x' }, /neither TOCSIN_API_KEY nor/],
    [{ TOCSIN_URL: 'http://x', TOCSIN_API_KEY: `${KEY} ${KEY}` }, /holds a space/],
    [{ TOCSIN_URL: 'http://x', TOCSIN_API_KEY_FILE: '/nowhere/key' }, /cannot be read/],
  ])('that are missing or wrong are a sentence without a secret: %#', (env, words) => {
    const problem = settingsOf(env);
    expect(problem).toMatch(words);
    expect(problem).not.toContain(KEY);
  });
});
