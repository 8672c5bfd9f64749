/** Scenarios that are played against two systems at once: what is posted over Alertmanager's API v2, and what a webhook then hears. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Reply } from './api-client.ts';
import { createRecorder, type Recorder, startHttpFake } from './fakes/recorder.ts';

export type SideName = 'theirs' | 'ours';

/** A system that a scenario is played against. */
export interface Side {
  name: SideName;
  call(method: string, path: string, body?: unknown): Promise<Reply>;
  restart?(): Promise<void>;
}

interface Posting {
  name: string;
  /** It ends now. */
  over?: true;
  /** Seconds after the scenario began, before it where negative: when it began to fire; now where absent. */
  since?: number;
  /** Seconds after the scenario began, before it where negative: when it ended. */
  ended?: number;
  /** It ends by itself so many seconds from now. */
  lasts?: number;
  summary?: string;
}

/** One message: the names of its alerts. */
interface Telling {
  firing?: string[];
  over?: string[];
  /** The path's last part; `hook` where a scenario has but one. */
  at?: string;
  /** When all of them began: seconds after the scenario did. */
  since?: number;
  /** When all of them ended, in the same way. */
  ended?: number;
  summary?: string;
  /** At least so many seconds after it was said last. */
  after?: number;
}

/** Something that is done, or something that has to be heard before the next is done. */
export type Step =
  | { does: 'post'; alerts: Posting[] }
  | { does: 'hear'; telling: Telling }
  | { does: 'pause'; seconds: number }
  | { does: 'nothing' }
  | { does: 'silence'; alert: string; seconds: number }
  | { does: 'end silence' }
  | { does: 'restart' }
  | { does: 'differ'; because: string; theirs: Step[]; ours: Step[] };

export interface Scenario {
  /** The value of the label `scenario` and the name of its route. */
  name: string;
  /** A sentence on what both do. */
  about: string;
  /** Of its route in alertmanager.yml, over ROUTE. */
  route?: Record<string, unknown>;
  /** `refuses`: answers so many requests with 500 first. */
  receivers?: Record<string, { send_resolved?: boolean; refuses?: number }>;
  steps: Step[];
}

export const post = (...alerts: (string | Posting)[]): Step => ({
  does: 'post',
  alerts: alerts.map((alert) => (typeof alert === 'string' ? { name: alert } : alert)),
});
export const end = (...names: string[]): Step => post(...names.map((name) => ({ name, over: true as const })));
export const hear = (telling: Telling): Step => ({ does: 'hear', telling });
export const wait = (seconds: number): Step => ({ does: 'pause', seconds });
/** For a while nothing is heard that no step before it has heard. */
export const nothing: Step = { does: 'nothing' };
export const silence = (alert: string, seconds: number): Step => ({ does: 'silence', alert, seconds });
export const endSilence: Step = { does: 'end silence' };
export const restart: Step = { does: 'restart' };
/** Where the two do not do the same on purpose, and why. */
export const differ = (because: string, sides: Record<SideName, Step[]>): Step => ({
  does: 'differ',
  because,
  ...sides,
});

/** The body of Alertmanager's webhook, version 4, as far as it is looked at. */
export interface Payload {
  status: string;
  alerts: {
    status: string;
    labels: Record<string, string>;
    annotations: Record<string, string>;
    startsAt: string;
    endsAt: string;
  }[];
}

interface Hit {
  /** `<side>/<scenario>/<receiver>` */
  path: string;
  at: number;
  body: Payload;
}

export interface Ear {
  url: string;
  heard: Recorder<Hit>;
  close(): Promise<void>;
}

/** The webhook of all scenarios on both sides. */
export async function startEar(scenarios: readonly Scenario[]): Promise<Ear> {
  const heard = createRecorder<Hit>('messages');
  const refusals = new Map<string, number>();
  for (const side of ['theirs', 'ours'])
    for (const { name, receivers = {} } of scenarios)
      for (const [at, { refuses = 0 }] of Object.entries(receivers)) refusals.set(`${side}/${name}/${at}`, refuses);
  const { url, close } = await startHttpFake('webhook', ({ path: asked, raw }) => {
    const path = asked.slice(1);
    const left = refusals.get(path) ?? 0;
    refusals.set(path, left - 1);
    if (left > 0) return { status: 500, text: 'not now' };
    heard.add({ path, at: performance.now(), body: JSON.parse(raw.toString()) });
    return { status: 204 };
  });
  return { url, heard, close };
}

/** A message may come after several tries, on a busy machine, after a restart. */
const HEARD_MS = 60_000;
/** Longer than a group_interval and a group_wait together: what had to be told has been told. */
const QUIET_MS = 3_000;
/** How much the time between two messages may be shorter than that between the two decisions to tell. */
const EARLY_S = 3;

/**
 * Plays the scenario to its end. Rejects where a step is not heard, or something is heard where nothing should be.
 * Gives what, whenever asked, names the messages that came and that no step has heard.
 */
export async function play({ name, steps, route }: Scenario, side: Side, { heard }: Ear): Promise<() => string[]> {
  const began = Date.now();
  const starts = new Map<string, number>();
  const read = new Set<Hit>();
  const done: string[] = [];
  let silenced = '';
  const isOurs = ({ path }: Hit): boolean => path.startsWith(`${side.name}/${name}/`);

  const timeOf = (seconds: number): number => began + seconds * 1_000;

  const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const reply = await side.call(method, path, body);
    if (reply.status !== 200) throw new Error(`${method} ${path} was answered ${reply.status}: ${reply.text}`);
    return reply.body;
  };

  const posted = ({ name: alertname, over, since, ended, lasts, summary }: Posting) => {
    const now = Date.now();
    const startsAt = since === undefined ? (starts.get(alertname) ?? now) : timeOf(since);
    starts.set(alertname, startsAt);
    if (over) starts.delete(alertname);
    const endsIn = over ? 0 : lasts;
    const endsAt = ended !== undefined ? timeOf(ended) : endsIn === undefined ? undefined : now + endsIn * 1_000;
    return {
      labels: { alertname, scenario: name },
      annotations: summary === undefined ? {} : { summary },
      startsAt: new Date(startsAt).toISOString(),
      ...(endsAt === undefined ? {} : { endsAt: new Date(endsAt).toISOString() }),
    };
  };

  /** What is repeated may be said once more while the machine is busy with what comes next. */
  const isRepeated = (hit: Hit): boolean => {
    const alike = [...read].filter(({ path }) => path === hit.path);
    return (
      route?.repeat_interval !== undefined &&
      alike.some(({ at, body }) => at < hit.at && said(body) === said(hit.body)) &&
      alike.some(({ at }) => at > hit.at)
    );
  };
  const surplus = (): Hit[] => heard.items.filter((hit) => isOurs(hit) && !read.has(hit) && !isRepeated(hit));

  const listen = async ({
    at = 'hook',
    firing = [],
    over = [],
    after = 0,
    since,
    ended,
    summary,
  }: Telling): Promise<void> => {
    const path = `${side.name}/${name}/${at}`;
    const wanted = `firing ${firing.toSorted()}; over ${over.toSorted()}`;
    const last = [...read].findLast((hit) => hit.path === path && said(hit.body) === wanted);
    const next = await heard
      .waitFor((hit) => hit.path === path && !read.has(hit) && said(hit.body) === wanted, HEARD_MS)
      .catch(() => {
        throw new Error(`${at} has not heard ${wanted}`);
      });
    read.add(next);
    const { status, alerts } = next.body;
    if (status !== (firing.length > 0 ? 'firing' : 'resolved'))
      throw new Error(`${at} heard ${wanted} with the status ${status}`);
    for (const { startsAt, endsAt, annotations } of alerts) {
      if (summary !== undefined && annotations.summary !== summary)
        throw new Error(`${at} heard the summary ${annotations.summary} instead of ${summary}`);
      for (const [time, wantedTime] of [
        [startsAt, since],
        [endsAt, ended],
      ] as const)
        if (wantedTime !== undefined && Date.parse(time) !== timeOf(wantedTime))
          throw new Error(`${at} heard the time ${time} instead of ${new Date(timeOf(wantedTime)).toISOString()}`);
    }
    const gap = last === undefined ? Number.POSITIVE_INFINITY : (next.at - last.at) / 1_000;
    if (gap < after - EARLY_S)
      throw new Error(`${at} heard ${wanted} again after ${gap.toFixed(1)} s instead of ${after}`);
  };

  const take = async (step: Step): Promise<void> => {
    switch (step.does) {
      case 'post':
        await call('POST', '/api/v2/alerts', step.alerts.map(posted));
        break;
      case 'hear':
        await listen(step.telling);
        break;
      case 'pause':
        await pause(step.seconds * 1_000);
        break;
      case 'nothing':
        await pause(QUIET_MS);
        if (surplus().length > 0) throw new Error('something was heard that should not have been');
        break;
      case 'silence': {
        const answer = await call('POST', '/api/v2/silences', {
          matchers: Object.entries({ scenario: name, alertname: step.alert }).map(([label, value]) => ({
            name: label,
            value,
            isRegex: false,
            isEqual: true,
          })),
          startsAt: new Date().toISOString(),
          endsAt: new Date(Date.now() + step.seconds * 1_000).toISOString(),
          createdBy: 'ana',
          comment: 'moving the rack',
        });
        silenced = (answer as { silenceID: string }).silenceID;
        break;
      }
      case 'end silence':
        await call('DELETE', `/api/v2/silence/${silenced}`);
        break;
      case 'restart':
        if (!side.restart) throw new Error('this side is not restarted');
        await side.restart();
        break;
      case 'differ':
        for (const one of step[side.name]) await taken(one);
        break;
      default:
        step satisfies never;
    }
  };
  const taken = async (step: Step): Promise<void> => {
    try {
      await take(step);
    } catch (error) {
      if (step.does === 'differ') throw error;
      const story = heard.items.filter(isOurs).map(({ path, at, body }) => `${Math.round(at)} ${path} ${said(body)}`);
      throw new Error(
        `${side.name}, after ${done.join(', ') || 'nothing'}: ${error instanceof Error ? error.message : error}\nheard in all:\n${story.join('\n')}`,
      );
    }
    done.push(step.does === 'post' ? `post ${step.alerts.map(({ name: one }) => one).join(' ')}` : step.does);
  };
  for (const step of steps) await taken(step);
  return () => surplus().map(({ path, body }) => `${path} ${said(body)}`);
}

const namesOf = ({ alerts }: Payload, wanted: string): string[] =>
  alerts.flatMap(({ status, labels }) => (status === wanted ? [labels.alertname ?? ''] : [])).sort();

/** What fires and what is over in a message, in one line. */
const said = (body: Payload): string => `firing ${namesOf(body, 'firing')}; over ${namesOf(body, 'resolved')}`;
