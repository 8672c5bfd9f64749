/** The webhook of `format: alertmanager` before a receiver that knows Alertmanager's messages: our own, over HTTP. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Channel } from '../../src/channels/channel.ts';
import { channels, writers } from '../../src/channels/index.ts';
import { webhook as webhookChannel } from '../../src/channels/webhook.ts';
import { fromText } from '../../src/config/load.ts';
import type { Notice } from '../../src/core/notice.ts';
import { sources } from '../../src/sources/index.ts';
import { callOf } from '../support/calls.ts';
import { claimAll } from '../support/ledger.ts';
import { sampleAlert, sampleNotice } from '../support/notices.ts';
import { type Api, startApi } from './harness.ts';

const webhook = webhookChannel as unknown as Channel;
const config = fromText(
  `
integrations: { terminal: { type: stdout } }
default: { group_by: [service, type], notify: [terminal] }
`,
  'the tests',
  {},
  { channels, writers, sources },
);

let receiver: Api;
beforeAll(async () => {
  receiver = await startApi({ config });
});
afterAll(() => receiver.stop());

const BEGAN = '2026-01-15T14:32:00.000Z';
const LATER = '2026-01-15T14:44:00.000Z';
type Status = 'firing' | 'resolved';
const disk = (host: string, status: Status) =>
  sampleAlert({
    title: `Disk full on ${host}`,
    type: 'disk',
    service: 'storage',
    components: [host],
    status,
    first_at: BEGAN,
    last_at: status === 'firing' ? BEGAN : LATER,
  });
/** A notice of these alerts, told by the channel to the receiver's own address for Alertmanager. */
async function tell(disks: Record<string, Status>, more: Parameters<typeof sampleNotice>[0] = {}) {
  const notice: Notice = sampleNotice({
    alerts: Object.entries(disks).map(([host, status]) => disk(host, status)),
    at: LATER,
    ...more,
  });
  const target = {
    url: `${receiver.url}/v1/sources/alertmanager`,
    format: 'alertmanager',
    headers: { authorization: `Bearer ${receiver.keys.ingest}` },
  };
  expect(await webhook.send(callOf(webhook, target, { notice }))).toMatchObject({ kind: 'delivered' });
  await claimAll(receiver.ledger);
}
/** What the receiver knows of each alert: its title by its status there. */
const known = async (): Promise<Record<string, string>> => {
  const rows = await receiver.ledger.query<{ title: string; status: string }>(
    'select title, status from alerts where current',
  );
  return Object.fromEntries(rows.map(({ title, status }) => [title, status]));
};

describe('a message of the format alertmanager', () => {
  it('opens an alert at the receiver for each of ours, and ends each when ours has', async () => {
    await tell({ 'web-1': 'firing', 'web-2': 'firing' });
    expect(await known()).toEqual({ 'Disk full on web-1': 'firing', 'Disk full on web-2': 'firing' });

    await tell({ 'web-1': 'resolved', 'web-2': 'firing' });
    expect(await known()).toEqual({ 'Disk full on web-1': 'resolved', 'Disk full on web-2': 'firing' });

    // Resolved by hand: our alert fires still.
    await tell({ 'web-1': 'resolved', 'web-2': 'firing' }, { reason: 'resolved', incident: { status: 'resolved' } });
    expect(await known()).toEqual({ 'Disk full on web-1': 'resolved', 'Disk full on web-2': 'resolved' });
  });
});
