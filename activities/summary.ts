/** The daily summary's steps: collect the day, write the page, tell the short form. */
import type { ApplicationFailure } from '@temporalio/activity';
import type { Outcome } from '../src/channels/channel.ts';
import type { Summary } from '../src/config/load.ts';
import type { Notice } from '../src/core/notice.ts';
import { dateOfRun, sectionsOf, shortForm, windowOf } from '../src/core/summary.ts';
import { announce } from '../src/ledger/steps.ts';
import { type SummaryView, storePage, storeSummary, summaryOf, totalsBetween } from '../src/ledger/summaries.ts';
import { alive } from './alive.ts';
import { type Attempted, attempt } from './attempt.ts';
import type { Deps } from './deps.ts';
import { failureOf } from './failure.ts';
import { writerOf } from './writers.ts';

/** A page of a few hundred blocks takes Notion several requests. */
const PAGE_TIMEOUT_MS = 60_000;

type Collected = { outcome: 'collected'; date: string; notify: string[] } | { outcome: 'unknown' };

export function createSummary(deps: Deps) {
  const configured = (name: string): Summary | undefined =>
    deps.config.summaries.find((summary) => summary.name === name);
  const stored = async (name: string, date: string): Promise<SummaryView> => {
    const found = (await summaryOf(deps.ledger, date)).find((summary) => summary.name === name);
    if (!found) throw failureOf('unknown', `the summary ${name} of ${date} has not been collected`, { final: true });
    return found;
  };

  return {
    /** The day's totals, kept in the ledger. `at`: when the schedule fired, in epoch milliseconds. */
    collectSummary: alive(
      async ({ name, at, date }: { name: string; at: number; date?: string }): Promise<Collected> => {
        const summary = configured(name);
        if (!summary) return { outcome: 'unknown' };
        const day = date ?? dateOfRun(at, summary.timezone);
        const { from, to } = windowOf(day, summary.at, summary.timezone);
        await storeSummary(deps.ledger, name, day, await totalsBetween(deps.ledger, from, to, summary.facts));
        announce('summary.collected');
        return { outcome: 'collected', date: day, notify: summary.notify };
      },
    ),

    /** One page for a date: made once, written anew by a second run. Its address stays in the ledger. */
    writeSummary: alive(async ({ name, date }: { name: string; date: string }): Promise<void> => {
      const summary = configured(name);
      if (summary?.notion === undefined) return;
      const integration = await deps.integrationNamed(summary.notion);
      if ('missing' in integration) {
        await storePage(deps.ledger, name, date, 'failed', undefined, integration.missing);
        throw failureOf('config', 'the integration that keeps the page cannot be used', { final: true });
      }
      if (!integration.enabled) return;
      const { totals } = await stored(name, date);
      const outcome = await writerOf(integration, {
        fetch: deps.egress.fetch,
        signal: AbortSignal.timeout(PAGE_TIMEOUT_MS),
        now: deps.now(),
        page: {
          date,
          name,
          title: titleOf(name, date),
          sections: sectionsOf(totals),
          facts: totals.facts,
          key: `${name}/${date}`,
        },
      });
      announce('summary.written');
      await storePage(
        deps.ledger,
        name,
        date,
        outcome.kind === 'delivered' ? 'written' : 'failed',
        outcome.kind === 'delivered' ? outcome.ref : undefined,
        detailOf(outcome),
      );
      announce('summary.kept');
      if (outcome.kind !== 'delivered') throw failure(outcome);
    }),

    /** The day in a few lines, with the page where there is one. */
    tellSummary: alive(
      async ({ name, date, target }: { name: string; date: string; target: string }): Promise<void> => {
        const integration = await deps.integrationNamed(target);
        if ('missing' in integration) {
          deps.log.error({ summary: name, target }, integration.missing);
          throw failureOf('config', 'an integration that is told of it cannot be used', { final: true });
        }
        const channel = deps.channelOf(integration.type);
        if (!integration.enabled || !channel) return;
        const outcome = await attempt(deps, integration, channel, summaryNotice(await stored(name, date)));
        if (outcome.kind !== 'delivered') throw failure(outcome);
      },
    ),
  };
}

const titleOf = (name: string, date: string): string => `${name} ${date}`;

const detailOf = (outcome: Outcome): string | undefined => (outcome.kind === 'delivered' ? undefined : outcome.detail);

const failure = (outcome: Exclude<Outcome | Attempted, { kind: 'delivered' }>): ApplicationFailure =>
  failureOf(outcome.reason, `not delivered: ${outcome.reason}`, {
    final: outcome.kind === 'rejected',
    ...(outcome.kind === 'retry' ? { after_ms: outcome.after_ms } : {}),
  });

function summaryNotice({ name, date, totals, page, written_at }: SummaryView): Notice {
  const url = typeof page?.url === 'string' ? page.url : undefined;
  const title = `Summary ${titleOf(name, date)}`;
  return {
    reason: 'summary',
    headline: title,
    lines: shortForm(totals),
    incident: {
      id: `${name}/${date}`,
      status: 'resolved',
      severity: 'info',
      title,
      route: name,
      alert_count: totals.incidents,
      firing_count: 0,
      opened_at: totals.from,
      first_at: totals.from,
      last_at: totals.to,
    },
    components: [],
    alerts: [],
    more: 0,
    links: url ? [{ title: 'Notion page', url }] : [],
    delivery: { key: `summary/${name}/${date}`, attempt: 1 },
    at: written_at,
  };
}
