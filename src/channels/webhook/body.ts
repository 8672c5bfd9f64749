/** What all formats of the webhook share: JSON that any parser takes, under a size that any receiver takes. */
import type { Notice, NoticeAlert } from '../../core/notice.ts';
import { clip } from '../../core/text.ts';

/** Our own limit, so that a receiver with a small buffer is not lost: many take 256 KB (AWS SNS and SQS do). */
export const BODY_MAX_BYTES = 256 * 1_024 - 1;
/** What remains of a text where the body would be too long. */
const TEXT_MAX = 500;
const LIST_MAX = 50;

/** JSON whose texts are Unicode: half a surrogate pair breaks strict parsers. */
export const stringify = (body: unknown): string =>
  JSON.stringify(body, (_name, value: unknown) => (typeof value === 'string' ? value.toWellFormed() : value));

const fits = (body: unknown): boolean => Buffer.byteLength(stringify(body)) <= BODY_MAX_BYTES;

/**
 * The body of `notice`, and where that is too long of ever less: without contexts, with its texts cut (`…` says where),
 * at last with fewer alerts, those left out counted in `more`.
 */
export function fitted<Body>(notice: Notice, body: (notice: Notice) => Body): Body {
  const whole = body(notice);
  if (fits(whole)) return whole;
  const withoutContext = { ...notice, alerts: notice.alerts.map(({ context: _, ...alert }) => alert) };
  const lean = body(withoutContext);
  if (fits(lean)) return lean;
  const short: Notice = {
    ...withoutContext,
    headline: clip(notice.headline, TEXT_MAX),
    lines: notice.lines.slice(0, LIST_MAX).map((line) => clip(line, TEXT_MAX)),
    incident: { ...notice.incident, title: clip(notice.incident.title, TEXT_MAX) },
    alerts: withoutContext.alerts.map(shortened),
  };
  for (let shown = short.alerts.length; ; shown--) {
    const more = notice.more + short.alerts.length - shown;
    const made = body({ ...short, alerts: short.alerts.slice(0, shown), more });
    if (shown === 0 || fits(made)) return made;
  }
}

/** An alert whose long texts and lists are cut; where it was cut, `…` says so. */
function shortened(alert: NoticeAlert): NoticeAlert {
  const { body, ...rest } = alert;
  const cut = (texts: string[]) => texts.slice(0, LIST_MAX).map((text) => clip(text, TEXT_MAX));
  return {
    ...rest,
    title: clip(alert.title, TEXT_MAX),
    ...(body === undefined ? {} : { body: clip(body, TEXT_MAX) }),
    components: cut(alert.components),
    assignees: cut(alert.assignees),
    links: alert.links.slice(0, LIST_MAX),
    labels: Object.fromEntries(
      Object.entries(alert.labels)
        .slice(0, LIST_MAX)
        .map(([name, value]) => [name, clip(value, TEXT_MAX)]),
    ),
  };
}
