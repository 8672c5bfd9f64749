/** What is done behind the writers: the audit is sealed, its heads go to the log, what was kept long enough goes. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { audit, listAudit } from '../../src/ledger/audit.ts';
import { headsIn } from '../../src/ledger/chain/link.ts';
import { verifyLedger } from '../../src/ledger/chain/read.ts';
import { type AuditKey, auditKey, newAuditKey } from '../../src/ledger/chain/signing.ts';
import type { Ledger } from '../../src/ledger/db.ts';
import { createDoor } from '../../src/ledger/door.ts';
import { createLog } from '../../src/observe/log.ts';
import { createMetrics } from '../../src/observe/metrics.ts';
import { startKeeping } from '../../src/relay/keeping.ts';
import { event, openTestLedger, routing } from '../support/ledger.ts';
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

function begun(more: { now?: () => Date; over?: Ledger; auditKey?: AuditKey } = {}) {
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
