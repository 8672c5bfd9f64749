import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { beginChapters } from '../../src/clients/chapters.ts';
import { runJob } from '../../src/clients/job.ts';
import type { Told } from '../../src/clients/spool.ts';
import { parseEvents } from '../../src/sources/events.ts';
import { type Door, startDoor } from './door.ts';

let door: Door;
beforeEach(async () => {
  door = await startDoor();
});
afterEach(() => door.close());

describe('runJob', () => {
  it('tells start, progress and end of one run, with the metadata, the counts, the statistics and how long it took', async () => {
    const result = await runJob(
      'collect_stock_prices',
      (job) => {
        job.progress({ processed: 50, total: 105 });
        return { success: 100, failed: 5, slowest: 'AAPL', pages: [1, 2] };
      },
      { exchange: 'KRX' },
      { env: { ...door.env, TOCSIN_ENVIRONMENT: 'production' }, labels: { team: 'data' } },
    );
    expect(result).toEqual({ success: 100, failed: 5, slowest: 'AAPL', pages: [1, 2] });
    const [start, progress, end] = door.told;
    expect(door.told).toHaveLength(3);
    expect(start).toMatchObject({
      type: 'job_started',
      title: 'collect_stock_prices has started',
      labels: { job: 'collect_stock_prices', environment: 'production', team: 'data' },
      context: { metadata: { exchange: 'KRX' } },
    });
    expect(progress).toMatchObject({
      type: 'job_progress',
      title: 'collect_stock_prices: 50 of 105 (47%)',
      context: { counts: { processed: 50, total: 105 } },
    });
    expect(end).toMatchObject({
      type: 'job_completed',
      status: 'resolved',
      context: {
        duration_s: expect.any(Number),
        counts: { processed: 50, total: 105, success: 100, failed: 5 },
        stats: { slowest: 'AAPL', pages: '[1,2]' },
      },
    });
    for (const field of ['labels', 'dedup_key', 'source', 'service'])
      expect(new Set(door.told.map((event) => JSON.stringify(event[field])))).toHaveLength(1);
  });

  it('throws what the function throws, after its text is told', async () => {
    const broken = new TypeError('no such table', { cause: 'the schema is old' });
    const running = runJob('nightly', () => Promise.reject(broken), {}, { env: door.env });
    await expect(running).rejects.toBe(broken);
    const end = door.told.at(-1);
    expect(end).toMatchObject({ type: 'job_failed', severity: 'error', title: 'nightly has failed' });
    expect(end?.body).toMatch(/^TypeError: no such table\ncause: the schema is old\n\s*at /);
  });

  it('takes an abort for a cancelled job', async () => {
    const running = runJob('nightly', () => AbortSignal.abort().throwIfAborted(), {}, { env: door.env });
    await expect(running).rejects.toThrow();
    expect(door.told.at(-1)).toMatchObject({ type: 'job_cancelled', severity: 'warning' });
  });

  it('runs the job though it is not set up, and says so', async () => {
    const said: string[] = [];
    expect(await runJob('quiet', () => 7, {}, { env: {}, say: (line) => said.push(line) })).toBe(7);
    expect(said).toEqual([expect.stringMatching(/^TOCSIN_URL is not set.*: the job runs, and nobody is told$/)]);
  });

  it('tells all the same where no spool can be made', async () => {
    const said: string[] = [];
    const env = { ...door.env, TOCSIN_SPOOL: '/dev/null/spool' };
    await runJob('homeless', () => ({ rows: 1 }), {}, { env, say: (line) => said.push(line) });
    expect(door.told.map(({ type }) => type)).toEqual(['job_started', 'job_completed']);
    expect(said).toEqual([expect.stringMatching(/^no spool/)]);
  });
});

describe('the chapters', () => {
  const begin = (every?: number, more: Record<string, unknown> = {}) => {
    const told: Told[] = [];
    const run = { job: 'train', run: 'r-1', metadata: {}, labels: {}, ...more };
    return { told, chapters: beginChapters(run, { tell: (event) => void told.push(event) }, every) };
  };

  it('tell progress at once, then no more often than they should: the last numbers and all lines, the end too', () => {
    const { told, chapters } = begin(60_000);
    chapters.progress({ processed: 1 }, ['first']);
    chapters.progress({ processed: 2 }, ['second']);
    chapters.progress({ processed: 3 }, ['third']);
    expect(told.map(({ type, body }) => [type, body])).toEqual([
      ['job_started', undefined],
      ['job_progress', 'first'],
    ]);
    chapters.end({ how: 'completed' });
    chapters.end({ how: 'failed' });
    chapters.progress({ processed: 4 });
    expect(told.slice(2).map(({ type, body }) => [type, body])).toEqual([
      ['job_progress', 'second\nthird'],
      ['job_completed', undefined],
    ]);
    expect(told.at(-1)).toMatchObject({ context: { counts: { processed: 3 } } });
  });

  it('tell the last 20 lines at most every 10 seconds', () => {
    vi.useFakeTimers();
    try {
      const { told, chapters } = begin();
      const said = (): unknown[] => told.flatMap(({ type, body }) => (type === 'job_progress' ? [body] : []));
      for (let line = 1; line <= 60; line++) chapters.progress({}, [`${line}`]);
      vi.advanceTimersByTime(9_999);
      expect(said()).toEqual(['1']);
      vi.advanceTimersByTime(1);
      expect(said()).toEqual(['1', Array.from({ length: 20 }, (_, at) => 41 + at).join('\n')]);
      chapters.progress({}, ['61']);
      vi.advanceTimersByTime(9_999);
      expect(said()).toHaveLength(2);
      vi.advanceTimersByTime(1);
      expect(said().slice(2)).toEqual(['61']);
      chapters.end({ how: 'completed' });
    } finally {
      vi.useRealTimers();
    }
  });

  it('tell what waited when the time has come', async () => {
    const { told, chapters } = begin(30);
    chapters.progress({ processed: 1 });
    chapters.progress({ processed: 2 });
    await expect.poll(() => told.length, { timeout: 20_000 }).toBe(3);
    expect(told.at(-1)?.title).toBe('train: processed 2');
    chapters.end({ how: 'cancelled' });
  });

  it('are events that the door takes, whatever a job says', () => {
    const long = '긴 이야기 '.repeat(5_000);
    const odd = { [long]: long, none: null, ['__proto__']: 1, nan: Number.NaN, big: 10n, deep: { a: [{ b: long }] } };
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`n${at}`, at]));
    const { told, chapters } = begin(0, {
      job: ` ${long}\n`,
      run: 'r-1',
      metadata: { ...odd, ...many },
      labels: { ...Object.fromEntries(Object.keys(many).map((name) => [name, long])), '': 'x' },
      environment: long,
    });
    chapters.progress({ ...odd, ...many }, ['\x1b[31mred\x1b[0m \0 \ud800 end', long]);
    chapters.end({ how: 'failed', error: `\u0000${long}`, exit_code: 3 });
    const { rejected, events } = parseEvents(JSON.parse(JSON.stringify(told)), { now: new Date(), max: 10 });
    expect(rejected).toEqual([]);
    expect(events).toHaveLength(3);
    expect(new Set(events.map(({ labels }) => labels.run))).toEqual(new Set(['r-1']));
  });

  it('leave out the colours of a terminal', () => {
    const { told, chapters } = begin(0);
    chapters.progress({}, ['\x1b[1;31merror\x1b[0m: 7']);
    expect(told.at(-1)?.body).toBe('error: 7');
    chapters.end({ how: 'completed' });
  });
});
