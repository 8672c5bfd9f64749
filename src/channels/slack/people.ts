/** Events about users: what is told of a new one, and how much of it. */
import type { Json, Labels } from '../../core/event.ts';
import type { Notice, NoticeAlert } from '../../core/notice.ts';
import { factsOf, oneLine } from '../../core/text.ts';
import type { Config } from './config.ts';

type Privacy = Config['privacy'];

/** `user_registered`, its words joined as the sender joins them. */
const REGISTERED = /^user[_.:-]registered$/i;

/** What is told of a new user, and under which names senders give it: as a label, in the context or in its `user`. */
const FIELDS: [title: string, names: string[], isPersonal: boolean][] = [
  ['Email', ['email', 'user_email', 'userEmail'], true],
  ['Display name', ['display_name', 'displayName', 'name', 'username', 'user_name'], true],
  ['User ID', ['user_id', 'userId', 'id', 'uid'], false],
  ['Total users', ['total_users', 'totalUsers', 'total_user_count', 'user_count'], false],
  ['Environment', ['environment', 'env'], false],
];
/** The usual facts that say something about a new user as well. */
const KEPT = new Set(['Source', 'Service', 'Incident ID', 'Created', 'Alerts']);

/** No more than RFC 5321 allows on either side: what is longer is no address, and is not looked through. */
const ADDRESS = /[\p{L}\p{N}._%+-]{1,64}@(?:[\p{L}\p{N}-]{1,63}\.){1,8}\p{L}{2,63}/gu;

/** Whether all that is told is about new users. */
export const isOfUsers = ({ alerts }: Notice): boolean =>
  alerts.length > 0 && alerts.every(({ type }) => REGISTERED.test(type));

/** `a•••@example.com`; of a name the first letter. */
const masked = (text: string): string => {
  const [first = ''] = text;
  const at = text.lastIndexOf('@');
  return at < 0 ? `${first}•••` : `${first}•••${text.slice(at)}`;
};

const hidden = (text: string, privacy: Privacy): string =>
  privacy === 'full' ? text : text.replace(ADDRESS, (address) => (privacy === 'mask' ? masked(address) : '•••'));

/** The facts of a lone new user; undefined for every other notice. */
export function userFacts(notice: Notice, privacy: Privacy): [string, string][] | undefined {
  const [user] = notice.alerts;
  if (!isOfUsers(notice) || user === undefined || notice.alerts.length + notice.more > 1) return undefined;
  return [...detailsOf(user, privacy), ...factsOf(notice).filter(([name]) => KEPT.has(name))];
}

function detailsOf({ labels, context }: NoticeAlert, privacy: Privacy): [string, string][] {
  const whole = fieldsOf(context);
  const places: Record<string, Json>[] = [labels, whole, fieldsOf(whole.user)];
  return FIELDS.flatMap(([title, names, isPersonal]): [string, string][] => {
    const found = names
      .flatMap((name) => places.map((place) => (Object.hasOwn(place, name) ? place[name] : undefined)))
      .find((value) => (typeof value === 'string' && value.trim() !== '') || typeof value === 'number');
    if (found === undefined || (isPersonal && privacy === 'none')) return [];
    return [[title, isPersonal && privacy === 'mask' ? masked(oneLine(String(found))) : oneLine(String(found))]];
  });
}

const fieldsOf = (value: Json | undefined): Record<string, Json> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};

/**
 * The notice with no more of people in it than the configuration wants: addresses masked or left out in every text that
 * is shown. Of several new users each says who it is on its own line.
 */
export function withPrivacy(notice: Notice, privacy: Privacy): Notice {
  const isOfSeveral = isOfUsers(notice) && notice.alerts.length > 1;
  if (privacy === 'full' && !isOfSeveral) return notice;
  // A display name cannot be told from other words of a title; it is known from its own field.
  const names = isOfUsers(notice) && privacy !== 'full' ? notice.alerts.flatMap(namesOf) : [];
  const shown = (text: string): string =>
    names.reduce(
      (rest, name) => rest.replaceAll(name, privacy === 'mask' ? masked(name) : '•••'),
      hidden(text, privacy),
    );
  return {
    ...notice,
    headline: shown(notice.headline),
    lines: notice.lines.map(shown),
    ...(notice.story === undefined ? {} : { story: storyShown(notice.story, shown) }),
    ...(notice.by === undefined ? {} : { by: shown(notice.by) }),
    ...(notice.pattern === undefined ? {} : { pattern: shown(notice.pattern) }),
    incident: { ...notice.incident, title: shown(notice.incident.title) },
    alerts: notice.alerts.map((alert) => {
      const details = isOfSeveral ? detailsOf(alert, privacy).map(([, value]) => value) : [];
      return {
        ...alert,
        title: [shown(alert.title), ...details].join(' · '),
        ...(alert.body === undefined ? {} : { body: shown(alert.body) }),
        components: alert.components.map(shown),
        assignees: alert.assignees.map(shown),
      };
    }),
    components: notice.components.map(shown),
  };
}

const storyShown = (story: NonNullable<Notice['story']>, shown: (text: string) => string): typeof story => ({
  ...story,
  ...(story.counts && { counts: valuesShown(story.counts, shown) }),
  ...(story.details && { details: valuesShown(story.details, shown) }),
});
const valuesShown = (values: Labels, shown: (text: string) => string): Labels =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, shown(value)]));

/** Names of at least three letters: a shorter one would take pieces out of other words. */
const NAME_MIN = 3;
const namesOf = (alert: NoticeAlert): string[] =>
  detailsOf(alert, 'full')
    .filter(([title, value]) => title === 'Display name' && value.length >= NAME_MIN)
    .map(([, value]) => value);
