/** The webhook of `format: alertmanager` before receivers that know Alertmanager's messages: our own, and Debian's alertmanager-irc-relay. */
import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Channel } from '../../src/channels/channel.ts';
import { channels, writers } from '../../src/channels/index.ts';
import { webhook as webhookChannel } from '../../src/channels/webhook.ts';
import { fromText } from '../../src/config/load.ts';
import type { Notice } from '../../src/core/notice.ts';
import { sources } from '../../src/sources/index.ts';
import { callOf } from '../support/calls.ts';
import { type FakeIrc, startFakeIrc } from '../support/fakes/irc.ts';
import { claimAll } from '../support/ledger.ts';
import { sampleAlert, sampleNotice } from '../support/notices.ts';
import { freePort } from '../support/ports.ts';
import { createPrograms, havePrograms, type Programs, pathOf } from '../support/programs.ts';
import { until } from '../support/until.ts';
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
type More = Parameters<typeof sampleNotice>[0];
const noticeOf = (disks: Record<string, Status>, more: More = {}): Notice =>
  sampleNotice({ alerts: Object.entries(disks).map(([host, status]) => disk(host, status)), at: LATER, ...more });
/** A notice of these alerts, told by the channel to the receiver's own address for Alertmanager. */
async function tell(disks: Record<string, Status>, more: More = {}) {
  const notice = noticeOf(disks, more);
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

describe.runIf(havePrograms('alertmanager-irc-relay'))("Debian's alertmanager-irc-relay", () => {
  let irc: FakeIrc;
  let programs: Programs;
  let url: string;
  let end: () => Promise<void>;
  beforeAll(async () => {
    irc = await startFakeIrc();
    programs = createPrograms();
    const port = await freePort();
    url = `http://127.0.0.1:${port}/ops`;
    const file = programs.file('relay.yml', {
      http_host: '127.0.0.1',
      http_port: port,
      irc_host: '127.0.0.1',
      irc_port: irc.port,
      irc_use_ssl: false,
      irc_nickname: 'relay',
      irc_channels: [{ name: '#ops' }],
      msg_template: '{{ .Labels.alertname }} of {{ .Labels.service }} is {{ .Status }}: {{ .Annotations.summary }}',
    });
    const relay = spawn(pathOf('alertmanager-irc-relay'), ['--config', file], { stdio: 'ignore' });
    const gone = new Promise<void>((resolve) => relay.once('exit', () => resolve()));
    end = async () => {
      relay.kill('SIGKILL');
      await gone;
    };
    await until('the relay to join its channel', () => irc.joined.includes('#ops') || undefined, 30_000);
  }, 60_000);
  afterAll(async () => {
    await end?.();
    await programs.end();
    await irc.close();
  });

  it('says each alert of a message, and that it is over', async () => {
    const target = { url, format: 'alertmanager' };
    const say = async (disks: Record<string, Status>) =>
      expect(await webhook.send(callOf(webhook, target, { notice: noticeOf(disks) }))).toMatchObject({
        kind: 'delivered',
      });
    await say({ 'web-1': 'firing', 'web-2': 'firing' });
    await say({ 'web-1': 'resolved' });
    await until('three lines', () => irc.said.length >= 3 || undefined, 60_000);
    expect(irc.said).toEqual([
      '#ops disk of storage is firing: Disk full on web-1',
      '#ops disk of storage is firing: Disk full on web-2',
      '#ops disk of storage is resolved: Disk full on web-1',
    ]);
  }, 90_000);
});
