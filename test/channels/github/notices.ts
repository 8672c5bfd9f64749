/** Notices about builds, for the tests of the GitHub channel. */
import type { Labels } from '../../../src/core/event.ts';
import type { Notice, NoticeAlert } from '../../../src/core/notice.ts';
import { SHA } from '../../support/fakes/github.ts';
import { type NoticeOverrides, sampleAlert, sampleNotice } from '../../support/notices.ts';

/** An alert of a pipeline that ran for pull request 7 of acme/shop. */
export const ciAlert = (type: string, labels: Labels = {}, more: Partial<NoticeAlert> = {}): NoticeAlert => {
  const { body: _, ...alert } = sampleAlert({
    title: type.replaceAll('_', ' '),
    type,
    source: 'ci',
    severity: type.endsWith('failed') ? 'error' : 'info',
    severity_word: 'info',
    service: 'shop',
    labels: { repository: 'acme/shop', pull_request: '7', sha: SHA, branch: 'basket', ...labels },
    links: [{ title: 'Logs', url: 'https://ci.example.com/runs/12' }],
  });
  return { ...alert, ...more };
};

/** A notice of one such alert; `id` names its incident, and `nth` its delivery. */
export function ciNotice(
  type: string,
  labels: Labels = {},
  { id = `INC-${type}`, nth = 1, ...more }: NoticeOverrides & { id?: string; nth?: number } = {},
): Notice {
  const alert = ciAlert(type, labels);
  return sampleNotice({
    headline: alert.title,
    lines: [],
    alerts: [alert],
    links: [],
    components: [],
    ...more,
    incident: { id, title: alert.title, severity: alert.severity, service: 'shop', ...more.incident },
    delivery: { key: `${id}/group_now/b${nth}/target`, ...more.delivery },
  });
}
