/** What a payload of GitHub is about, and the event that is made of it. */
import type { Event, Labels, Link, Severity } from '../../core/event.ts';
import { fitted, LIMITS, nameOf, textAt, timeOf } from '../source.ts';

/** What tells of a change and is never resolved ends by itself, before anybody would be told of it again. */
export const NEWS_EXPIRE_MS = 3_600_000;

export interface About {
  /** What makes it this event and no other, so that it is the same when it is delivered again; none may be empty. */
  id: string[];
  type: string;
  title: string;
  severity: Severity;
  severity_word?: string;
  status: Event['status'];
  /** What the resolve has in common with its firing; absent for news, which nothing resolves. */
  key?: string[];
  isSuccess?: boolean;
  body?: string;
  occurred_at?: string;
  /** When what it tells of was started, where an older one may end after a newer. */
  as_of?: string;
  /** What is too long for a label; empty ones are left out. */
  context?: Record<string, string>;
  /** Empty ones are left out. */
  labels: Labels;
  assignees?: string[];
  /** Links to what it is about; those to pull request, commit and branch are added. */
  links: Link[];
  /** Where branch and commit are, if not in the repository itself: the web address of a fork. */
  fork?: string;
}

interface Delivered {
  kind: string;
  source: string;
  /** The GUID by which GitHub lists what it sent. */
  delivery: string;
  now: Date;
}

/** The event, or what is missing for one. */
export function eventFrom(payload: unknown, about: About, { kind, source, delivery, now }: Delivered): Event | string {
  const repository = textAt(payload, 'repository', 'full_name');
  if (repository === '') return 'it names no repository';
  // An old alert has no time of its own: then only the delivery tells one reopening from the next.
  const parts = about.id.map((part) => part || delivery);
  if (parts.includes('')) return `a ${kind} without an id`;
  const id = nameOf([kind, ...parts], LIMITS.id);
  const labels = { repository, ...about.labels, actor: textAt(payload, 'sender', 'login') };
  const event: Event = {
    id,
    source,
    type: about.type,
    title: about.title,
    severity: about.severity,
    service: repository,
    components: [],
    labels: Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== '')),
    assignees: about.assignees ?? [],
    links: [...about.links, ...placesOf(payload, about)],
    status: about.status,
    dedup_key: about.key ? nameOf([repository, ...about.key], LIMITS.key) : id,
  };
  if (about.body) event.body = about.body;
  if (about.severity_word && about.severity_word !== about.severity) event.severity_word = about.severity_word;
  if (delivery !== '') event.request_id = delivery;
  const occurred_at = timeOf(about.occurred_at ?? '');
  if (occurred_at) event.occurred_at = occurred_at;
  const as_of = timeOf(about.as_of ?? '');
  if (as_of) event.as_of = as_of;
  const context = Object.entries(about.context ?? {}).filter(([, value]) => value !== '');
  if (context.length > 0) event.context = Object.fromEntries(context);
  if (!about.key) event.expires_at = new Date(now.getTime() + NEWS_EXPIRE_MS).toISOString();
  return fitted(event);
}

/** Pull request, commit and branch on the web. */
function placesOf(payload: unknown, { labels, fork }: About): Link[] {
  const home = textAt(payload, 'repository', 'html_url');
  const { pull_request = '', sha = '', branch = '' } = labels;
  const own = fork || home;
  const links: Link[] = [];
  if (home !== '' && pull_request !== '')
    links.push({ title: `View PR #${pull_request}`, url: `${home}/pull/${pull_request}` });
  if (own !== '' && sha !== '') links.push({ title: `Commit ${sha.slice(0, 7)}`, url: `${own}/commit/${sha}` });
  if (own !== '' && branch !== '') {
    const path = branch.toWellFormed().split('/').map(encodeURIComponent).join('/');
    links.push({ title: `Branch ${branch}`, url: `${own}/tree/${path}` });
  }
  return links;
}

/** A link, unless there is no address. */
export const linkTo = (title: string, url: string): Link[] => (url === '' ? [] : [{ title, url }]);

export const firstLine = (text: string): string => text.slice(0, 1_000).split('\n', 1)[0]?.trim() ?? '';
