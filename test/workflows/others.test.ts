/** The other workflows, what the bundle exports, and the replay of stored histories: a running incident must survive an upgrade. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import * as contract from '../../workflows/contract.ts';
import * as workflows from '../../workflows/index.ts';
import { fromPlain, plain } from '../support/histories.ts';
import { record, type World, world } from '../support/workflow-world.ts';

const HISTORIES = new URL('../histories/', import.meta.url);

let w: World;
beforeAll(async () => {
  w = await world();
});
afterAll(() => w?.stop());

describe('send-one', () => {
  it('is started once for a row, however often the relay asks', async () => {
    const send = { id: Date.now(), kind: 'test', target: 'hook', payload: null };
    await w.carrier.send(send);
    await w.carrier.send(send);
    const handle = w.client.workflow.getHandle(`${w.taskQueue}-send-${send.id}`);
    expect(await handle.result()).toEqual({ outcome: 'delivered' });
    await w.carrier.send(send);
    expect(w.sent.filter((id) => id === send.id)).toHaveLength(1);
    await record('send-one', handle);
  });
});

describe('daily-summary', () => {
  it('writes the page of the date it is asked for, and tells it', async () => {
    await w.carrier.send({ id: 1, kind: 'summary', target: 'daily', payload: { date: '2026-01-14' } });
    const handle = w.client.workflow.getHandle(`${w.taskQueue}-summary-daily-by-hand-1`);
    expect(await handle.result()).toEqual({ date: '2026-01-14' });
    await record('daily-summary', handle);
  });
});

describe('a worker that dies', () => {
  /** The first call is one that nobody answers any more; `died` lets it go when the test is over. */
  function dying<Result>(answer: Result) {
    let died: () => void = () => undefined;
    const silence = new Promise<void>((resolve) => {
      died = resolve;
    });
    let calls = 0;
    return {
      died: () => died(),
      async work(): Promise<Result> {
        if (++calls === 1) await silence;
        return answer;
      },
    };
  }

  it('at a send or at a summary is noticed by its silence, not when the longest time for it has passed', async () => {
    const [send, page] = [dying({ outcome: 'delivered' }), dying(undefined)];
    const own = await world({ over: { sendOnce: send.work, writeSummary: page.work } });
    const begun = performance.now();
    await own.carrier.send({ id: 1, kind: 'test', target: 'hook', payload: null });
    await own.carrier.send({ id: 2, kind: 'summary', target: 'daily', payload: { date: '2026-01-14' } });
    const results = ['send-1', 'summary-daily-by-hand-2'].map((id) =>
      own.client.workflow.getHandle(`${own.taskQueue}-${id}`).result(),
    );
    expect(await Promise.all(results)).toEqual([{ outcome: 'delivered' }, { date: '2026-01-14' }]);
    // Ten seconds of silence, ten until it is tried again; the times for the work itself are 75 and 90 s.
    expect(performance.now() - begun).toBeLessThan(50_000);
    send.died();
    page.died();
    await own.stop();
  }, 120_000);
});

describe('the bundle', () => {
  it('exports exactly the workflows that the contract names', () => {
    const { INCIDENT, SEND_ONE, DAILY_SUMMARY } = contract;
    expect(Object.keys(workflows).sort()).toEqual([DAILY_SUMMARY, INCIDENT, SEND_ONE].sort());
    expect(readFileSync(inject('temporal').bundlePath, 'utf8').length).toBeGreaterThan(0);
  });
});

const names = readdirSync(HISTORIES).filter((name) => name.endsWith('.json'));
const stored = (name: string): string => readFileSync(new URL(name, HISTORIES), 'utf8');
const typeOf = (name: string): string | undefined => {
  const { events } = JSON.parse(stored(name)) as { events: Record<string, { workflowType?: { name: string } }>[] };
  return events[0]?.workflowExecutionStartedEventAttributes?.workflowType?.name;
};

/** Runs these workflows, today's unless it is said, over a history; rejects where they would have done anything else. */
async function replay(json: string, codePath = inject('temporal').bundlePath): Promise<void> {
  const send = { id: Date.now(), kind: 'test', target: 'hook', payload: null };
  await w.carrier.send(send);
  const anyHistory = await w.client.workflow.getHandle(`${w.taskQueue}-send-${send.id}`).fetchHistory();
  await Worker.runReplayHistory({ workflowBundle: { codePath } }, fromPlain(JSON.parse(json), anyHistory));
}

describe('histories of earlier versions', () => {
  it('are kept of every workflow that the bundle exports, and of no other', () => {
    expect([...new Set(names.map(typeOf))].sort()).toEqual(Object.keys(workflows).sort());
  });

  it.each(names)('%s replays: what is running survives an upgrade', async (name) => {
    await expect(replay(stored(name))).resolves.toBeUndefined();
  });

  it('a history that this code would not have made is refused: a replay can fail', async () => {
    const json = stored('told-acknowledged-resolved.json');
    const changed = json.replaceAll('"name":"deliver"', '"name":"shout"');
    expect(changed).not.toBe(json);
    await expect(replay(changed)).rejects.toThrow(/nondeterminism/i);
  });
});

describe('a release that changes what an incident does', () => {
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-patched-'));
  const patched = join(dir, 'patched.cjs');
  /** The same change, made as if nothing were running. */
  const bare = join(dir, 'bare.cjs');
  const incidents = names.filter((name) => typeOf(name) === contract.INCIDENT);

  beforeAll(async () => {
    const { code } = await bundleWorkflowCode({
      workflowsPath: fileURLToPath(new URL('./patched-workflows.ts', import.meta.url)),
      logger: new DefaultLogger('ERROR'),
    });
    writeFileSync(patched, code);
    const unconditional = code.replace(/if \([^\n]*\bpatched\b[^\n]*a-moment-first[^\n]*?\)\)/, 'if (true)');
    expect(unconditional).not.toBe(code);
    writeFileSync(bare, unconditional);
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it.each(incidents)('behind patched() goes on with %s as it began', async (name) => {
    await expect(replay(stored(name), patched)).resolves.toBeUndefined();
  });

  it('without patched() cannot go on with what runs', async () => {
    await expect(replay(stored('told-acknowledged-resolved.json'), bare)).rejects.toThrow(/nondeterminism/i);
  });

  it('does it to incidents that it begins itself; from those there is no way back to the release before', async () => {
    const next = await world({ bundlePath: patched });
    const incident = next.incident();
    await incident.batch(1);
    await incident.until('the page', ({ targets }) => targets.hook?.told !== undefined);
    await incident.batch(2, { status: 'resolved', answer_rev: 1, answer: 'resolved', firing: 0, worst: null });
    expect(await incident.handle.result()).toEqual({ closed: 'resolved' });
    const history = await incident.handle.fetchHistory();
    await next.stop();
    const types = plain(history).events.map(({ eventType }) => eventType);
    expect(types.indexOf('EVENT_TYPE_MARKER_RECORDED')).toBeGreaterThan(0);
    expect(types.indexOf('EVENT_TYPE_TIMER_STARTED')).toBeLessThan(types.indexOf('EVENT_TYPE_ACTIVITY_TASK_SCHEDULED'));
    const json = JSON.stringify(plain(history));
    await expect(replay(json, patched)).resolves.toBeUndefined();
    await expect(replay(json)).rejects.toThrow(/nondeterminism/i);
  });
});
