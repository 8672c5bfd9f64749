/** What is done behind the writers: the audit is sealed, its heads go to the log, what was kept long enough goes. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Heartbeat } from '../../src/core/heartbeat.ts';
import type { Routing } from '../../src/core/route.ts';
import { audit, listAudit } from '../../src/ledger/audit.ts';
import { headsIn } from '../../src/ledger/chain/link.ts';
import { verifyLedger } from '../../src/ledger/chain/read.ts';
import { type AuditKey, auditKey, newAuditKey } from '../../src/ledger/chain/signing.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { createDoor } from '../../src/ledger/door.ts';
import { enableIntegration, noteFailure, untoldHealth } from '../../src/ledger/health.ts';
import { keepBeat } from '../../src/ledger/heartbeats.ts';
import { requestRedeliveries } from '../../src/ledger/redelivery.ts';
import { markSendStarted } from '../../src/ledger/sends.ts';
import { createLog } from '../../src/observe/log.ts';
import { createMetrics } from '../../src/observe/metrics.ts';
import { openForHeartbeats } from '../../src/relay/heartbeats.ts';
import { startKeeping } from '../../src/relay/keeping.ts';
import { claimAll, event, one, openTestLedger, routing } from '../support/ledger.ts';
import { DAY } from '../support/policies.ts';
import { until } from '../support/until.ts';

let ledger: Ledger;
let empty: () => Promise<void>;
beforeAll(async () => {
  ({ ledger, empty } = await openTestLedger());
});
beforeEach(() => empty());
afterAll(() => ledger.close());

const key = auditKey(newAuditKey());
const retention = { events: 90 * DAY, incidents: 90 * DAY, sends: 90 * DAY, summaries: 90 * DAY, audit: 90 * DAY };
const ana = { by: 'ana', key: 'k1' };

type Heartbeats = ReadonlyMap<string, Heartbeat>;
function begun(
  more: { now?: () => Date; over?: Ledger; auditKey?: AuditKey; routing?: Routing; heartbeats?: Heartbeats } = {},
) {
  const lines: string[] = [];
  const metrics = createMetrics({ reasons: [], channels: [], failures: [] });
  const log = createLog({
    level: 'info',
    secrets: [],
    destination: { write: (line: string) => void lines.push(line) },
  });
  const { over = ledger, now } = more;
  const keeping = startKeeping({
    ledger: over,
    retention,
    auditKey: more.auditKey,
    log,
    metrics,
    ...(now ? { now } : {}),
    ...(more.routing ? { routing: more.routing } : {}),
    ...(more.heartbeats ? { heartbeats: more.heartbeats } : {}),
  });
  return { keeping, lines, metrics, heads: () => headsIn(lines.join('')) };
}

const sealed = (count: number) =>
  until(`${count} sealed rows`, async () => {
    const { audit: rows } = await listAudit(ledger, { limit: 50 });
    return rows.filter(({ hash }) => hash !== undefined).length === count || undefined;
  });

describe('the keeping', () => {
  it('seals what is written, and tells the log where the chain stands, in words that the redaction leaves', async () => {
    const { keeping, heads } = begun({ auditKey: key });
    await audit(ledger, ana, 'key.make', 'a');
    await sealed(1);
    await until('the first head', () => heads()[0]);
    await keeping.stop();
    expect(heads()).toMatchObject([{ number: 1, key: key.publicKey }]);
    expect(await verifyLedger(ledger, { heads: heads(), keys: [key.publicKey] })).toMatchObject({
      problems: [],
      notes: [],
    });
  });

  it('seals the last rows when it is stopped, and writes a last head', async () => {
    const { keeping, heads } = begun({ auditKey: key });
    await audit(ledger, ana, 'key.make', 'a');
    await sealed(1);
    await audit(ledger, ana, 'key.make', 'b');
    await keeping.stop();
    expect(heads().at(-1)).toMatchObject({ number: 2 });
  });

  it('goes on after a failure, and says so', async () => {
    let broken = true;
    const over: Ledger = {
      ...ledger,
      query: (sql, params) =>
        broken && sql.includes('audit_unsealed') ? Promise.reject(new Error('away')) : ledger.query(sql, params),
    };
    const { keeping, lines, heads } = begun({ over });
    await audit(ledger, ana, 'key.make', 'a');
    await until('the failure in the log', () => lines.find((line) => line.includes('sealing the audit failed')));
    broken = false;
    await keeping.stop();
    expect(heads()).toMatchObject([{ number: 1 }]);
    expect(heads()[0]).not.toHaveProperty('signature'); // There was no key.
  });

  it('lets go what was kept long enough, and counts it', async () => {
    await createDoor(ledger, { routing: routing() }).accept([
      event({ status: 'resolved' }),
      event({ status: 'resolved' }),
    ]);
    const { keeping, lines, metrics } = begun({ now: () => new Date(Date.now() + 91 * DAY) });
    await until('the sweep', () => lines.find((line) => line.includes('what was kept long enough has gone')));
    await keeping.stop();
    expect(await ledger.query('select 1 from events')).toEqual([]);
    expect(await metrics.text()).toContain('tocsin_retention_rows_total{kind="events"} 2');
  });
});

describe('an integration that is not well', () => {
  const gone = { channel: 'webhook', failure: 'gone', code: '410', dead: true };
  const told = () => until('it to be told', async () => ((await untoldHealth(ledger)).length === 0 ? true : undefined));
  const look = async (keepers = 1): Promise<void> => {
    const keepings = Array.from({ length: keepers }, () => begun({ routing: routing() }).keeping);
    await told();
    for (const keeping of keepings) await keeping.stop();
  };
  const events = () =>
    ledger.query(
      `select event->>'source' as source, event->>'type' as type, event->>'severity' as severity, event->>'status' as status, event->>'title' as title from events order by seq`,
    );

  it('is told of once, by an event like any other, and once more when it works again: the incident ends', async () => {
    await noteFailure(ledger, 'hook', gone, 'HTTP 410');
    await look(2);
    await look();
    const firing = {
      source: 'tocsin',
      type: 'integration_disabled',
      severity: 'error',
      status: 'firing',
      title: 'Integration hook is disabled',
    };
    expect(await events()).toEqual([firing]);
    expect(await claimAll(ledger)).toMatchObject([{ batch: { firing: 1, worst: 'error' } }]);
    await enableIntegration(ledger, 'hook', ana);
    await look();
    expect(await events()).toEqual([firing, { ...firing, status: 'resolved', title: 'Integration hook works again' }]);
    expect(await claimAll(ledger)).toMatchObject([{ batch: { firing: 0, status: 'resolved' } }]);
  });

  it('that was failing before it was disabled leaves no incident behind when it works again', async () => {
    for (let dead = 1; dead <= 10; dead++)
      await noteFailure(ledger, 'hook', { channel: 'webhook', failure: 'server', dead: true }, 'HTTP 500');
    await look();
    await claimAll(ledger);
    await noteFailure(ledger, 'hook', gone, 'HTTP 410');
    await look();
    await claimAll(ledger);
    await enableIntegration(ledger, 'hook', ana);
    await look();
    await claimAll(ledger);
    expect((await events()).map((row) => (row as { type: string }).type)).toEqual([
      'integration_failing',
      'integration_disabled',
      'integration_disabled',
    ]);
    expect(await one(ledger, `select count(*)::int as open from incidents where status <> 'resolved'`)).toEqual({
      open: 0,
    });
  });
});

it('a send that was lost is ended, and the log says so', async () => {
  await ledger.query(
    `insert into deliveries (key, incident, target, reason, status, scheduled_at) values ('k', 'INC-1', 'chat', 'group_now', 'dead', now())`,
  );
  const { id } = await one<{ id: number }>(ledger, 'select number as id from deliveries');
  const { asked } = await requestRedeliveries(ledger, { ids: [id] }, { new_key: false }, ['chat'], ana);
  await markSendStarted(ledger, asked[0]?.send ?? 0);
  await ledger.query(`update sends set signalled_at = now() - interval '1 hour'`);
  const { keeping, lines } = begun();
  await until('it to be ended', () => (lines.join('').includes('"lost":1') ? true : undefined));
  await keeping.stop();
  expect(await one(ledger, `select outcome->>'reason' as reason from sends`)).toEqual({ reason: 'timeout' });
});

describe('a heartbeat, with nobody but the running keeper to look after it', () => {
  const DAILY_MS = 24 * 3_600_000;
  const nightly: Heartbeat = {
    ...{ name: 'nightly', every_ms: DAILY_MS, grace_ms: 3_600_000, severity: 'critical' },
    ...{ title: 'The backup did not run', labels: {} },
  };
  const heartbeats: Heartbeats = new Map([[nightly.name, nightly]]);
  const hoursPass = (hours: number) =>
    ledger.query(
      `update heartbeats set due_at = due_at - $1 * interval '1 hour', last_at = last_at - $1 * interval '1 hour'`,
      [hours],
    );
  const dueAt = () => one<{ due_at: Date }>(ledger, 'select due_at from heartbeats');
  const told = (status: string) =>
    until(
      `it to be told as ${status}`,
      async () =>
        (
          await ledger.query(`select 1 from events where event->>'dedup_key' = 'nightly' and event->>'status' = $1`, [
            status,
          ])
        )[0],
    );
  /** What a process does that begins to listen to senders, and one that ends. */
  const openAndClose = async () =>
    (await openForHeartbeats(ledger, heartbeats, createLog({ level: 'silent', secrets: [] }))).stop();

  it('opens an incident when it is missed, and its next beat ends it', async () => {
    await openAndClose();
    const { keeping } = begun({ routing: routing(), heartbeats });
    await keepBeat(ledger, 'nightly', 'ok');
    await hoursPass(25.1);
    await told('firing');
    expect(await claimAll(ledger)).toMatchObject([{ batch: { firing: 1, worst: 'critical' } }]);
    expect(await one(ledger, 'select title from incidents')).toEqual({ title: nightly.title });
    await keepBeat(ledger, 'nightly', 'ok');
    await told('resolved');
    await keeping.stop();
    expect(await claimAll(ledger)).toMatchObject([{ batch: { firing: 0, status: 'resolved' } }]);
  });

  it('is due when it was before a restart, and told by the keeper that comes after', async () => {
    await openAndClose();
    const before = begun({ routing: routing(), heartbeats }).keeping;
    await keepBeat(ledger, 'nightly', 'ok');
    await hoursPass(20);
    const due = await dueAt();
    await before.stop();
    await openAndClose();
    expect(await dueAt()).toEqual(due);
    await hoursPass(5.1);
    const { keeping } = begun({ routing: routing(), heartbeats });
    await told('firing');
    await keeping.stop();
  });
});
