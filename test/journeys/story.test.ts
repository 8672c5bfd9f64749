/** Journeys of a job from its start to its end, and of the day to its summary. */
import { ScheduleOverlapPolicy } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Harness, harness } from '../support/harness.ts';
import { until } from '../support/until.ts';

const CONFIG = `
integrations:
  chat: { type: slack, token: '<SLACK_TOKEN>', api_url: '<SLACK_API>', channel: '#jobs' }
  mail: { type: email, host: 127.0.0.1, port: <SMTP_PORT>, tls: none, from: alerts@example.com, to: [ops@example.com] }
  brief: { type: slack-webhook, url: '<SLACK_WEBHOOK>' }
  pages: { type: notion, token: '<NOTION_TOKEN>', database_id: '<NOTION_DB>', base_url: '<NOTION>' }
routes:
  - { name: jobs, match: [ 'type=~"job_.*"' ], lifecycle: job, notify: [chat, mail] }
default: { notify: [] }
summaries:
  - { name: daily, at: '18:00', timezone: Asia/Seoul, notion: pages, notify: [brief] }
egress: { allow: ['127.0.0.0/8'] }
`;

let h: Harness;
beforeAll(async () => {
  h = await harness({ config: CONFIG });
});
afterEach(() => h.done());
afterAll(async () => {
  await h?.temporal.schedule.getHandle(`${h.taskQueue}-summary-daily`).delete();
  await h?.stop();
});

describe('a job', () => {
  it('tells its start, its progress and its end in one thread and one conversation; the end says how long and how much', async () => {
    const job = { source: 'runner', service: 'gpu-farm', severity: 'info' };
    await h.post({ ...job, type: 'job_started', title: 'Training begins', labels: { job: 'train-42' } });
    const start = await h.slack.expects(/Training begins/);
    const opening = await h.mail.expects(/Training begins/);
    await h.post({ ...job, type: 'job_progress', title: 'Half of it is done', labels: { job: 'train-42' } });
    const progress = await h.slack.expects(/Half of it is done/);
    const second = await h.mail.expects(/Half of it is done/);
    await h.post({
      ...job,
      type: 'job_completed',
      title: 'Training has ended',
      labels: { job: 'train-42', success: '100', failed: '5' },
    });
    const end = await h.slack.expects(/Training has ended/);
    const third = await h.mail.expects(/Training has ended/);

    expect(start.thread_ts).toBeUndefined();
    expect([progress.thread_ts, end.thread_ts]).toEqual([start.ts, start.ts]);
    expect(end.all).toMatch(/Took/);
    expect(end.all).toMatch(/success\*?\n?.*100/s);
    expect(end.all).toMatch(/failed\*?\n?.*5/s);
    for (const later of [second, third]) {
      expect(later.references).toContain(opening.messageId);
      expect(later.messageId).not.toBe(opening.messageId);
    }
    expect(third.text).toMatch(/took/i);
    const { id } = await h.waitForIncident(({ lifecycle }) => lifecycle === 'job');
    expect(await h.closed(id)).toMatchObject({ status: 'resolved', route: 'jobs' });
  });

  it('that fails says so, and the next run of the same job is a story of its own', async () => {
    const job = { source: 'runner', labels: { job: 'nightly' } };
    await h.post({ ...job, type: 'job_started', title: 'Nightly begins' });
    const start = await h.slack.expects(/Nightly begins/);
    await h.mail.expects(/Nightly begins/);
    await h.post({ ...job, type: 'job_failed', title: 'Nightly fell over', severity: 'error' });
    const end = await h.slack.expects(/ERROR Nightly fell over/);
    await h.mail.expects(/Nightly fell over/);
    expect(end.thread_ts).toBe(start.ts);
    const first = await h.waitForIncident(
      ({ title, closed_at }) => title === 'Nightly begins' && closed_at !== undefined,
    );
    await h.post({ ...job, type: 'job_started', title: 'Nightly begins' });
    const again = await h.slack.expects(/Nightly begins/);
    await h.mail.expects(/Nightly begins/);
    expect(again.thread_ts).toBeUndefined();
    await h.post({ ...job, type: 'job_completed', title: 'Nightly is done' });
    await h.slack.expects(/DONE Nightly is done/);
    await h.mail.expects(/Nightly is done/);
    await h.waitForIncident(
      ({ id, title, closed_at }) => id !== first.id && title === 'Nightly begins' && closed_at !== undefined,
    );
  });
});

describe('the daily summary', () => {
  const pages = () => h.fakes.notion.pages.filter(({ in_trash }) => !in_trash);
  const written = (date: string, page?: number) =>
    until(`the summary of ${date}`, async () => {
      const { body } = await h.call('GET', `/v1/summaries/${date}`);
      const [summary] = (body as { summaries: { status: string; page?: unknown }[] }).summaries;
      const updates = pages().find(({ title }) => title.includes(date))?.updates ?? -1;
      return summary?.status === 'written' && updates >= (page ?? 0) ? summary : undefined;
    });

  it('is one page of a day, written anew by a second run, and told in short with its address', async () => {
    for (const run of [0, 1]) {
      const reply = await h.call('POST', '/v1/summaries/2026-01-15/run');
      expect(reply).toMatchObject({ status: 202, body: { started: ['daily'] } });
      await written('2026-01-15', run);
      const short = await h.slack.expects(/Summary daily 2026-01-15/);
      expect(short.all).toContain(pages()[0]?.url);
    }
    expect(pages()).toHaveLength(1);
    expect(pages()[0]).toMatchObject({ updates: 1, title: 'daily 2026-01-15' });
    expect(pages()[0]?.blocks.filter(({ text }) => text === 'Incidents')).toHaveLength(1);
  });

  it('has a schedule in its own time zone that never overlaps and makes up for two days', async () => {
    const { spec, policies, action } = await h.temporal.schedule.getHandle(`${h.taskQueue}-summary-daily`).describe();
    expect(spec).toMatchObject({ timezone: 'Asia/Seoul' });
    expect(spec.calendars).toMatchObject([{ hour: [{ start: 18, end: 18 }], minute: [{ start: 0, end: 0 }] }]);
    expect(policies).toMatchObject({ overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: 2 * 86_400_000 });
    expect(action).toMatchObject({ workflowType: 'dailySummary', taskQueue: h.taskQueue });
  });

  it('of a day that was missed is written when the schedule makes up for it, under the date of that day', async () => {
    // 18:00 in Seoul is 09:00 UTC; jitter moves it by at most a minute.
    const start = new Date('2026-01-12T08:55:00Z');
    const end = new Date('2026-01-12T09:05:00Z');
    await h.temporal.schedule
      .getHandle(`${h.taskQueue}-summary-daily`)
      .backfill({ start, end, overlap: ScheduleOverlapPolicy.ALLOW_ALL });
    await written('2026-01-12');
    await h.slack.expects(/Summary daily 2026-01-12/);
    expect(pages().map(({ title }) => title)).toContain('daily 2026-01-12');
  });
});
