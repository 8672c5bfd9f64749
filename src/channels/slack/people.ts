/** Events about users: what is told of a new one. How much of it may be shown was decided before: core/privacy.ts. */
import type { Notice, NoticeAlert } from '../../core/notice.ts';
import { DISPLAY_NAMES, EMAIL_NAMES, isOfUsers, placesOf } from '../../core/privacy.ts';
import { factsOf, oneLine } from '../../core/text.ts';

/** What is told of a new user, and under which names senders give it: as a label, in the context or in its `user`. */
const FIELDS: [title: string, names: readonly string[]][] = [
  ['Email', EMAIL_NAMES],
  ['Display name', DISPLAY_NAMES],
  ['User ID', ['user_id', 'userId', 'id', 'uid']],
  ['Total users', ['total_users', 'totalUsers', 'total_user_count', 'user_count']],
  ['Environment', ['environment', 'env']],
];
/** The usual facts that say something about a new user as well. */
const KEPT = new Set(['Source', 'Service', 'Incident ID', 'Created', 'Alerts']);

/** The facts of a lone new user; undefined for every other notice. */
export function userFacts(notice: Notice): [string, string][] | undefined {
  const [user] = notice.alerts;
  if (!isOfUsers(notice) || user === undefined || notice.alerts.length + notice.more > 1) return undefined;
  return [...detailsOf(user), ...factsOf(notice).filter(([name]) => KEPT.has(name))];
}

function detailsOf(alert: NoticeAlert): [string, string][] {
  const places = placesOf(alert);
  return FIELDS.flatMap(([title, names]): [string, string][] => {
    const found = names
      .flatMap((name) => places.map((place) => (Object.hasOwn(place, name) ? place[name] : undefined)))
      .find((value) => (typeof value === 'string' && value.trim() !== '') || typeof value === 'number');
    return found === undefined ? [] : [[title, oneLine(String(found))]];
  });
}

/** Of several new users each says who it is on its own line. */
export function withUsers(notice: Notice): Notice {
  if (!isOfUsers(notice) || notice.alerts.length < 2) return notice;
  const alerts = notice.alerts.map((alert) => {
    const details = detailsOf(alert).map(([, value]) => value);
    return { ...alert, title: [alert.title, ...details].join(' · ') };
  });
  return { ...notice, alerts };
}
