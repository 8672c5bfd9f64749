/** What stands on a commit or a deployment: a status, a check run, a deployment's status. */
import { CI_STATES, type CiState, stageOf, stateOf } from '../../core/ci.ts';
import type { Notice, Reason } from '../../core/notice.ts';
import { alertLine, emojiOf, oneLine, safeLink, tidy, toneOf } from '../../core/text.ts';
import type { Config } from './config.ts';
import { fenced, md, plain } from './markdown.ts';
import { type Place, worstOf } from './target.ts';

/** "description is too long (maximum is 140 characters)", of statuses and of deployments' statuses. */
export const DESCRIPTION_MAX = 140;
/** The column's length; nowhere documented. */
const CONTEXT_MAX = 255;
const TITLE_MAX = 255;
/** https://docs.github.com/en/rest/checks/runs: `maxLength` of summary and text, `maxItems` of annotations. */
const OUTPUT_MAX = 65_535;
const ANNOTATIONS_MAX = 50;
const ANNOTATION_MAX = 1_000;

// Our own budgets: together below OUTPUT_MAX whatever the alerts say.
const LINE_MAX = 500;
const LINES_MAX = 20;
const ALERTS_MAX = 20;
const BODY_MAX = 10_000;

/** As bad as the worst of its alerts; an operator's answer makes no test pass. */
export const stateOfNotice = ({ alerts, story, incident }: Notice): CiState => {
  if (story && story.phase !== 'end') return worstOf([...alerts.map(stateOf), 'running']);
  return alerts.length === 0 ? (incident.status === 'resolved' ? 'passed' : 'failed') : worstOf(alerts.map(stateOf));
};

/** `tocsin/build`: the same for every notice about the same stage, or else type, of a commit; `tocsin/ci` for several. */
export function contextOf({ alerts, incident }: Notice, { context }: Config): string {
  const stages = [...new Set(alerts.map(({ type }) => stageOf(type) ?? type))];
  const names: Record<string, string> = {
    stage: (stages.length > 1 ? 'ci' : stages[0]) || 'incident',
    service: incident.service ?? alerts[0]?.service ?? '',
  };
  const filled = context.replace(/\{(stage|service)\}/g, (_, name: string) => names[name] ?? '');
  return plain(filled.replace(/\/+$/, ''), CONTEXT_MAX) || 'tocsin';
}

/** With the incident's id at the end, whatever has to be cut for it. */
function descriptionOf(notice: Notice, state: CiState | 'deployment'): string {
  const id = ` (${plain(notice.incident.id, 40)})`;
  return `${plain(`${emojiOf(state)} ${oneLine(notice.headline)}`, DESCRIPTION_MAX - id.length)}${id}`;
}

const webAddress = (url: string | undefined): string | undefined => {
  const href = url === undefined ? undefined : safeLink(url);
  return href !== undefined && /^https?:/.test(href) && href.length <= 1_000 ? href : undefined;
};

/** Where more is to be read: the incident's page, or the first link of the sender. */
const detailsUrl = ({ incident, links }: Notice): string | undefined =>
  webAddress(incident.url) ?? links.map(({ url }) => webAddress(url)).find((href) => href !== undefined);

/** A status knows no warning: it is a success whose description says so, so that it blocks no merge. */
export function statusOf(notice: Notice, config: Config) {
  const state = stateOfNotice(notice);
  const target_url = detailsUrl(notice);
  return {
    state: ({ passed: 'success', warning: 'success', failed: 'failure', running: 'pending' } as const)[state],
    context: contextOf(notice, config),
    description: descriptionOf(notice, state),
    ...(target_url === undefined ? {} : { target_url }),
  };
}

/** A check run; `started` only when it is made, for what follows changes the same one. */
export function checkOf(notice: Notice, config: Config) {
  const state = stateOfNotice(notice);
  const { incident } = notice;
  const details_url = detailsUrl(notice);
  const conclusion = ({ passed: 'success', failed: 'failure', warning: 'neutral', running: undefined } as const)[state];
  return {
    name: contextOf(notice, config),
    external_id: plain(notice.delivery.key, CONTEXT_MAX),
    ...(conclusion === undefined
      ? { status: 'in_progress' as const }
      : { status: 'completed' as const, conclusion, completed_at: notice.at }),
    ...(details_url === undefined ? {} : { details_url }),
    output: {
      title: plain(`${emojiOf(state)} ${oneLine(notice.headline)} (${incident.id})`, TITLE_MAX),
      summary: summaryOf(notice),
      ...textOf(notice),
    },
  };
}

/** For the creation alone: every update would add them once more. */
export const annotationsOf = ({ alerts }: Notice) =>
  alerts.slice(0, ANNOTATIONS_MAX).flatMap((alert) => {
    const { file, line } = alert.labels;
    if (file === undefined || line === undefined || !/^[1-9]\d{0,8}$/.test(line)) return [];
    const path = plain(file.replace(/^(\.?\/)+/, ''), ANNOTATION_MAX);
    if (path === '') return [];
    return {
      path,
      start_line: Number(line),
      end_line: Number(line),
      annotation_level: LEVELS[stateOf(alert)],
      title: plain(alert.title, TITLE_MAX),
      message: plain(alert.body ?? alert.title, ANNOTATION_MAX) || 'see the incident',
    };
  });
const LEVELS: Record<CiState, 'notice' | 'warning' | 'failure'> = {
  passed: 'notice',
  running: 'notice',
  warning: 'warning',
  failed: 'failure',
};

function summaryOf(notice: Notice): string {
  const { alerts, more, lines, incident } = notice;
  const { emoji, word } = toneOf(notice);
  const counts = CI_STATES.map((state) => [state, alerts.filter((alert) => stateOf(alert) === state).length] as const);
  const listed = alerts.length + more < 2 ? [] : alerts.slice(0, ALERTS_MAX).map((alert) => alertLine(alert));
  const left = alerts.length + more < 2 ? 0 : alerts.length - listed.length + more;
  return [
    `${emoji} **${word}** ${md(notice.headline, LINE_MAX)} (${md(incident.id, 100)})`,
    ...lines.slice(0, LINES_MAX).map((line) => `- ${md(line, LINE_MAX)}`),
    '',
    ...listed.map((line) => `- ${md(line, LINE_MAX)}`),
    ...(left > 0 ? [`- … and ${left} more`] : []),
    ...(more > 0 || listed.length === 0
      ? []
      : [
          '',
          counts.flatMap(([state, count]) => (count > 0 ? [`${emojiOf(state)} ${count} ${state}`] : [])).join(' · '),
        ]),
  ]
    .join('\n')
    .trim()
    .slice(0, OUTPUT_MAX);
}

function textOf({ alerts, more }: Notice): { text?: string } {
  const [lone] = alerts;
  const body = lone && alerts.length + more === 1 ? tidy(lone.body ?? '').trim() : '';
  return body === '' ? {} : { text: fenced(body, BODY_MAX) };
}

/** Every status of a deployment is an entry of its history, and may start workflows: these reasons are no news there. */
const NO_NEWS: ReadonlySet<Reason> = new Set([
  'acknowledged',
  'unacknowledged',
  'ack_timed_out',
  'snoozed',
  'snooze_ended',
  'repeat_interval',
  'escalated',
  'escalated_by_hand',
]);
export const isNoNews = ({ reason }: Notice): boolean => NO_NEWS.has(reason);

export function deploymentStatusOf(notice: Notice, place: Place) {
  const state = stateOfNotice(notice);
  const log_url = detailsUrl(notice);
  const environment_url = webAddress(place.environment_url);
  return {
    state: ({ passed: 'success', warning: 'success', failed: 'failure', running: 'in_progress' } as const)[state],
    description: descriptionOf(notice, state === 'running' ? 'deployment' : state),
    ...(log_url === undefined ? {} : { log_url }),
    ...(place.environment === undefined ? {} : { environment: oneLine(place.environment) }),
    ...(environment_url === undefined ? {} : { environment_url }),
  };
}
