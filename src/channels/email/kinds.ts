/** The template of a mail: by the type of what happened or by the reason it is told for. */
import { kindOfType, plain } from '../../core/kinds.ts';
import { isPage, type Notice } from '../../core/notice.ts';
import { filledText } from '../../core/placeholders.ts';
import { oneLine } from '../../core/text.ts';
import type { Config, Template } from './config.ts';

/** The template that fits: by type before by reason, by name before by pattern; none for most notices. */
function kindOf(
  { alerts, reason }: Notice,
  { templates }: Config,
): { template: Template; by: 'type' | 'reason' } | undefined {
  const entries = Object.entries(templates).map(([kind, template]) => ({ kind, template }));
  const ofType = kindOfType(alerts[0]?.type ?? '', entries);
  if (ofType) return { template: ofType.template, by: 'type' };
  const ofReason = entries.find(({ kind }) => plain(kind) === plain(reason));
  return ofReason && { template: ofReason.template, by: 'reason' };
}

/** The subject of the template; undefined where it has none, or where it speaks of a beginning and this is an end. */
export function subjectFrom(notice: Notice, config: Config): string | undefined {
  const kind = kindOf(notice, config);
  const isNews = kind?.by === 'reason' || isPage(notice.reason) || notice.story?.phase === 'start';
  return kind?.template.subject === undefined || !isNews
    ? undefined
    : oneLine(filledText(kind.template.subject, notice));
}

/** Who is told besides, by the kinds of event that there are templates for. */
export const besidesIn = ({ templates }: Config): { kind: string; to?: string | true; path: string[] }[] =>
  Object.entries(templates).map(([kind, { sms }]) => ({
    kind,
    ...(sms === undefined || sms === false ? {} : { to: sms }),
    path: ['templates', kind, 'sms'],
  }));

/** What mail programs show: nothing special once somebody has it, or it is over. */
export function priorityFrom(notice: Notice, config: Config): 'urgent' | 'high' | 'normal' {
  const { status, severity } = notice.incident;
  if (status !== 'open' || notice.story?.phase === 'end') return 'normal';
  const usual = severity === 'critical' || severity === 'error' ? 'high' : 'normal';
  return kindOf(notice, config)?.template.priority ?? usual;
}

export interface Recipients {
  to: string[];
  cc: string[];
}

/** Whom this notice goes to. */
export function recipientsOf(notice: Notice, config: Config): Recipients {
  const { to = config.to, cc = config.cc } = kindOf(notice, config)?.template ?? {};
  return { to, cc };
}
