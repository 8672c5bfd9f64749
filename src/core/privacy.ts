/** What an integration is shown of people: e-mail addresses, and the names of users that events are about. */
import type { Json, Labels } from './event.ts';
import type { Notice, NoticeAlert } from './notice.ts';

/** Whole, masked (`a•••@example.com`), or not at all. */
export const PRIVACIES = ['full', 'mask', 'none'] as const;
export type Privacy = (typeof PRIVACIES)[number];

/** `user_registered`, its words joined as the sender joins them. */
const REGISTERED = /^user[_.:-]registered$/i;

/** Under which names senders give what recognises a user. */
export const EMAIL_NAMES = ['email', 'user_email', 'userEmail'] as const;
export const DISPLAY_NAMES = ['display_name', 'displayName', 'name', 'username', 'user_name'] as const;
const PERSONAL: ReadonlySet<string> = new Set([...EMAIL_NAMES, ...DISPLAY_NAMES]);

/** No more than RFC 5321 allows on either side: what is longer is no address, and is not looked through. */
const ADDRESS = /[\p{L}\p{N}._%+-]{1,64}(?:@|%40)(?:[\p{L}\p{N}-]{1,63}\.){1,8}\p{L}{2,63}/giu;
/** Names of at least three letters: a shorter one would take pieces out of other words. */
const NAME_MIN = 3;

/** Whether all that is told is about new users. */
export const isOfUsers = ({ alerts }: Notice): boolean => alerts.length > 0 && alerts.every(isOfUser);
const isOfUser = ({ type }: Pick<NoticeAlert, 'type'>): boolean => REGISTERED.test(type);

/** Where senders put what they say of a user: the labels, the context, and the `user` in it. */
export function placesOf({ labels, context }: Pick<NoticeAlert, 'labels' | 'context'>): Record<string, Json>[] {
  const whole = fieldsOf(context);
  return [labels, whole, fieldsOf(whole.user)];
}

const fieldsOf = (value: Json | undefined): Record<string, Json> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};

/**
 * The notice with no more of people in it than `privacy` wants. Addresses go wherever they stand, a link that names one
 * with it; of a new user the display name too, in its own fields and in the texts. Words of ours and ids stay.
 */
export function withPrivacy(notice: Notice, privacy: Privacy): Notice {
  if (privacy === 'full') return notice;
  const names = namesIn(notice.alerts.filter(isOfUser));
  const instead = (text: string): string => (privacy === 'mask' ? masked(text) : HIDDEN);
  const anonymous = (text: string): string => text.replace(ADDRESS, instead);
  const shown = (text: string): string =>
    names.reduce((rest, name) => rest.replaceAll(name, instead(name)), anonymous(text));

  const withoutPerson = (value: Json, ofUser: boolean): Json => {
    if (typeof value === 'string') return shown(value);
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map((inner) => withoutPerson(inner, ofUser));
    const pairs = Object.entries(value).flatMap(([name, inner]): [string, Json][] => {
      const isPersonal = ofUser && PERSONAL.has(name) && (typeof inner === 'string' || typeof inner === 'number');
      if (!isPersonal) return [[anonymous(name), withoutPerson(inner, ofUser)]];
      return privacy === 'none' ? [] : [[name, masked(String(inner))]];
    });
    return Object.fromEntries(pairs);
  };
  const linked = (links: Notice['links']): Notice['links'] =>
    links.filter(({ url }) => url.search(ADDRESS) < 0).map(({ title, url }) => ({ title: shown(title), url }));
  const { story, incident } = notice;

  return {
    ...notice,
    headline: shown(notice.headline),
    lines: notice.lines.map(shown),
    ...(notice.by === undefined ? {} : { by: shown(notice.by) }),
    ...(notice.pattern === undefined ? {} : { pattern: shown(notice.pattern) }),
    incident: {
      ...incident,
      title: shown(incident.title),
      ...(incident.service === undefined ? {} : { service: anonymous(incident.service) }),
    },
    components: notice.components.map(shown),
    alerts: notice.alerts.map((alert) => {
      const ofUser = isOfUser(alert);
      return {
        ...alert,
        title: shown(alert.title),
        source: anonymous(alert.source),
        ...(alert.service === undefined ? {} : { service: anonymous(alert.service) }),
        ...(alert.body === undefined ? {} : { body: shown(alert.body) }),
        labels: withoutPerson(alert.labels, ofUser) as Labels,
        ...(alert.context === undefined ? {} : { context: withoutPerson(alert.context, ofUser) }),
        components: alert.components.map(shown),
        assignees: alert.assignees.map(shown),
        links: linked(alert.links),
      };
    }),
    links: linked(notice.links),
    ...(story
      ? {
          story: {
            ...story,
            name: shown(story.name),
            ...(story.counts ? { counts: withoutPerson(story.counts, false) as Labels } : {}),
            ...(story.details ? { details: withoutPerson(story.details, false) as Labels } : {}),
          },
        }
      : {}),
  };
}

const HIDDEN = '•••';

/** `a•••@example.com`; of a name the first letter. */
export function masked(text: string): string {
  const [first = ''] = text;
  const [at = ''] = /(?:@|%40)[^@%]*$/i.exec(text) ?? [];
  return `${first}${HIDDEN}${at}`;
}

/** The longest first: a first name is part of the whole one. */
function namesIn(alerts: readonly NoticeAlert[]): string[] {
  const found = alerts.flatMap((alert) =>
    placesOf(alert).flatMap((place) => DISPLAY_NAMES.map((name) => (Object.hasOwn(place, name) ? place[name] : ''))),
  );
  const names = found.filter((name): name is string => typeof name === 'string' && name.trim().length >= NAME_MIN);
  return [...new Set(names.map((name) => name.trim()))].sort((a, b) => b.length - a.length);
}
