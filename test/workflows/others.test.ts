/** The other workflows, what the bundle exports, and the replay of stored histories: a running incident must survive an upgrade. */
import { readdirSync, readFileSync } from 'node:fs';
import { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import * as contract from '../../workflows/contract.ts';
import * as workflows from '../../workflows/index.ts';
import { fromPlain } from '../support/histories.ts';
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

describe('the bundle', () => {
  it('exports exactly the workflows that the contract names', () => {
    const { INCIDENT, SEND_ONE, DAILY_SUMMARY } = contract;
    expect(Object.keys(workflows).sort()).toEqual([DAILY_SUMMARY, INCIDENT, SEND_ONE].sort());
    expect(readFileSync(inject('temporal').bundlePath, 'utf8').length).toBeGreaterThan(0);
  });
});

describe('histories of earlier versions', () => {
  const names = readdirSync(HISTORIES).filter((name) => name.endsWith('.json'));
  const stored = (name: string): string => readFileSync(new URL(name, HISTORIES), 'utf8');

  /** Runs today's workflows over a history; rejects where they would have done anything else. */
  async function replay(json: string): Promise<void> {
    const send = { id: Date.now(), kind: 'test', target: 'hook', payload: null };
    await w.carrier.send(send);
    const anyHistory = await w.client.workflow.getHandle(`${w.taskQueue}-send-${send.id}`).fetchHistory();
    const options = { workflowBundle: { codePath: inject('temporal').bundlePath } };
    await Worker.runReplayHistory(options, fromPlain(JSON.parse(json), anyHistory));
  }

  it('are kept of every workflow that the bundle exports, and of no other', () => {
    const typeOf = (name: string): string | undefined => {
      const { events } = JSON.parse(stored(name)) as { events: Record<string, { workflowType?: { name: string } }>[] };
      return events[0]?.workflowExecutionStartedEventAttributes?.workflowType?.name;
    };
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
