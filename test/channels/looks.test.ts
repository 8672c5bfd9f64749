/** Signs and colours on every channel: whatever shows a state shows it in the same way. */
import { describe, expect, it } from 'vitest';
import type { Channel } from '../../src/channels/channel.ts';
import { channels } from '../../src/channels/index.ts';
import type { Severity } from '../../src/core/event.ts';
import type { Notice } from '../../src/core/notice.ts';
import type { Meaning } from '../../src/core/text.ts';
import { ciNotice } from '../support/ci-notices.ts';
import { noticeOf, sampleAlert, sampleNotice } from '../support/notices.ts';

type Render = (notice: Notice, config: Record<string, unknown>) => unknown;
const renders = new Map<string, (notice: Notice) => unknown>();
for (const { id, config, sample } of channels as unknown as Channel[]) {
  const { render } = (await import(`../../src/channels/${id}.ts`)) as { render: Render };
  renders.set(id, (notice) => render(notice, config.parse(sample)));
}

const of = (severity: Severity): Notice =>
  sampleNotice({ alerts: [sampleAlert({ severity, severity_word: severity })], incident: { severity } });

const STATES: [state: string, notice: Notice, emoji: string, means: Meaning][] = [
  ['critical', of('critical'), '🔴', 'error'],
  ['an error', of('error'), '🟠', 'error'],
  ['a warning', of('warning'), '⚠️', 'warning'],
  ['news', of('info'), '🔵', 'info'],
  ['acknowledged', noticeOf('acknowledged'), '👀', 'quiet'],
  ['snoozed', noticeOf('snoozed'), '💤', 'quiet'],
  ['resolved', noticeOf('resolved'), '✅', 'success'],
  ['a test', noticeOf('test'), '🔔', 'info'],
  ['a summary', noticeOf('summary'), '📊', 'info'],
  ['a job at work', noticeOf('story-progress'), '⏳', 'info'],
  ['a job that is done', noticeOf('story-end'), '✅', 'success'],
  ['a job that failed', noticeOf('story-failed'), '❌', 'error'],
  ['a build that passed', ciNotice('build_success'), '✅', 'success'],
  ['a build that failed', ciNotice('build_failure'), '❌', 'error'],
  ['tests that failed', ciNotice('test_failed'), '❌', 'error'],
  ['a drop of the coverage', ciNotice('coverage_dropped'), '⚠️', 'warning'],
  ['a deployment', ciNotice('deployment_started'), '🚀', 'warning'],
  ['a deployment that waits', ciNotice('deployment_approval_requested'), '🚀', 'warning'],
  ['a deployment that is there', ciNotice('deployment_success'), '✅', 'success'],
  ['a deployment that failed', ciNotice('deployment_failure'), '❌', 'error'],
  ['a vulnerability', ciNotice('security_alert'), '🔒', 'error'],
];

/** SMS has no room and mostly no letters for them, PagerDuty is read out, an entry of Notion has its properties, programs have fields. */
const WITHOUT_SIGNS = ['sms', 'pagerduty', 'notion-database', 'webhook'];
const SIGN = /\p{Emoji_Presentation}|\p{Extended_Pictographic}\ufe0f/gu;

/** The comment on a pull request has headings with signs of their own; what a notice is about stands below `Latest`. */
const signsOf = (id: string, notice: Notice): string[] => {
  const text = JSON.stringify(renders.get(id)?.(notice));
  const [told = text] = id === 'github' ? text.split('### Latest').slice(-1) : [text];
  return told.match(SIGN) ?? [];
};

/** Seed 003, `colorScheme` of Discord's embeds; grey is ours. */
const EMBEDS = { success: 0x00ff00, warning: 0xffaa00, error: 0xff0000, info: 0x0099ff, quiet: 0x8a8f98 };
const STYLES = { success: 'good', warning: 'warning', error: 'attention', info: 'accent', quiet: 'emphasis' };
const PANELS = { success: 'success', warning: 'warning', error: 'error', info: 'info', quiet: 'note' };
const TYPES = { success: 'success', warning: 'warning', error: 'failure', info: 'info', quiet: 'info' };
const HUES = {
  success: ['#2eb67d'],
  warning: ['#e8a33d'],
  error: ['#d72b3f', '#e8603c'],
  info: ['#3d8ee8'],
  quiet: ['#8a8f98'],
};

describe.each(STATES)('%s', (_state, notice, emoji, means) => {
  it('has its sign first of all on every channel that shows signs', () => {
    const shown = [...renders.keys()].map((id) => [id, signsOf(id, notice)[0]]);
    expect(shown).toEqual([...renders.keys()].map((id) => [id, WITHOUT_SIGNS.includes(id) ? undefined : emoji]));
  });

  it('has its colour where a channel has colours', () => {
    const shown = Object.fromEntries([...renders].map(([id, render]) => [id, render(notice)]));
    expect(shown.discord).toMatchObject({ embeds: [{ color: EMBEDS[means] }] });
    const { body } = (shown.teams as { attachments: [{ content: { body: unknown[] } }] }).attachments[0].content;
    expect(body[0]).toMatchObject({ style: STYLES[means] });
    const { content } = (shown.jira as { fields: { description: { content: unknown[] } } }).fields.description;
    expect(content[0]).toMatchObject({ type: 'panel', attrs: { panelType: PANELS[means] } });
    expect(shown.apprise).toMatchObject({ type: TYPES[means] });
    const { color } = (shown.slack as { attachments: [{ color: string }] }).attachments[0];
    expect(shown['slack-webhook']).toMatchObject({ attachments: [{ color }] });
    expect(shown.email).toMatchObject({ html: expect.stringContaining(`background:${color};`) });
    expect(HUES[means]).toContain(color);
  });
});
