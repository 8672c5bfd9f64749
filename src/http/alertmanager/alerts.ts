/** `/api/v2/alerts` and `/api/v2/alerts/groups`: what Prometheus posts, and what Grafana, Karma and amtool read. */

import { z } from 'zod';
import { receiverOf } from '../../config/alertmanager/export.ts';
import type { Labels } from '../../core/event.ts';
import { merged, newsOf, type Posted } from '../../core/prometheus/posted.ts';
import { alertsOf, groupsOf, type Pipeline, type Standing } from '../../core/prometheus/view.ts';
import type { Routing } from '../../core/route.ts';
import { silencedBy } from '../../core/silence.ts';
import type { Queryable } from '../../ledger/db.ts';
import { firingInhibitors } from '../../ledger/inhibitors.ts';
import { keepPosted, knownPosted, type Posting, standingPosted } from '../../ledger/posted.ts';
import { activeSilences } from '../../ledger/silences.ts';
import { together } from '../../ledger/together.ts';
import { eventOfPosted, keyOf, PROMETHEUS, readPosted } from '../../sources/prometheus.ts';
import { MANY_MAX_BYTES, parseJson } from '../body.ts';
import type { Deps } from '../deps.ts';
import { type Answer, type Arrived, type Endpoint, endpoint, ok } from '../endpoint.ts';
import { keep } from '../events.ts';
import { Problem } from '../problem.ts';
import { alertmanagerSays, refused, said } from './dialect.ts';
import { shownIn } from './query.ts';

/** Alerts of one question to the ledger, whoever posted them: as many as a commit of the door has events. */
const TOGETHER_MAX = 1_000;

/** Any query: it is read by Alertmanager's rules, which pass over what they do not know. */
const Query = z.looseObject({});

export const alerts = ({
  door,
  ledger,
  config,
  metrics,
  limits,
}: Pick<Deps, 'door' | 'ledger' | 'config' | 'metrics' | 'limits'>): Endpoint[] => {
  const standingAt = async (now: Date): Promise<[Standing[], Pipeline]> => {
    const { routing } = config;
    const [rows, firing, silencing] = await Promise.all([
      standingPosted(ledger, now),
      routing.inhibitions.length > 0 ? firingInhibitors(ledger) : [],
      silencesAt(ledger, routing, now),
    ]);
    const standing = rows.map(
      (row): Standing => ({ ...row, event: eventOfPosted(row.posted, { status: 'firing', again: undefined }) }),
    );
    return [standing, { routing, firing, silencedBy: silencing, receiverOf, now }];
  };

  const knownTogether = together((keys: string[]) => knownPosted(ledger, keys), TOGETHER_MAX);
  const keepTogether = together((postings: Posting[]) => keepPosted(ledger, postings), TOGETHER_MAX);

  return [
    endpoint({
      method: 'get',
      path: '/api/v2/alerts',
      access: 'operator',
      basic: true,
      says: alertmanagerSays,
      summary: 'List the alerts that Prometheus posted and that have not ended',
      query: Query,
      answers: { 200: { about: 'The alerts, by fingerprint' } },
      async handle({ query, now }) {
        const shown = shownIn(query);
        return 'refusal' in shown ? shown.refusal : ok(alertsOf(...(await standingAt(now)), shown));
      },
    }),
    endpoint({
      method: 'post',
      path: '/api/v2/alerts',
      access: 'ingest',
      basic: true,
      says: alertmanagerSays,
      // Prometheus sends nothing twice whatever it is answered; others that post here give up at 4xx.
      overload: () => 503,
      summary: 'Take alerts as Alertmanager does',
      takes: { kind: 'raw', media: 'any', limit: MANY_MAX_BYTES, schema: z.unknown() },
      answers: { 200: { about: 'Kept' } },
      async handle({ raw, headers, now }) {
        const wrong = wrongMedia(raw, headers);
        if (wrong) return wrong;
        const read = readPosted(jsonIn(raw), now.getTime());
        if ('code' in read) return refused(read.code, read.message);
        metrics.eventsAccepted.inc({ source: PROMETHEUS, outcome: 'rejected' }, read.problems.length);
        await take(read.alerts);
        return read.problems.length > 0 ? said(400, read.problems.join('; ')) : { status: 200 };
      },
    }),
    endpoint({
      method: 'get',
      path: '/api/v2/alerts/groups',
      access: 'operator',
      basic: true,
      says: alertmanagerSays,
      summary: 'List these alerts as they are grouped',
      query: Query,
      answers: { 200: { about: 'The groups' } },
      async handle({ query, now }) {
        const shown = shownIn(query);
        return 'refusal' in shown ? shown.refusal : ok(groupsOf(...(await standingAt(now)), shown));
      },
    }),
  ];

  /**
   * Keeps the news as events and then what was posted. In this order: what is lost between the two is news again when it is
   * repeated, and its event has the same id.
   */
  async function take(posted: Posted[]): Promise<void> {
    if (posted.length === 0) return;
    const keyed = posted.map((one) => ({ key: keyOf(one), posted: one }));
    const all = await knownTogether(keyed.map(({ key }) => key));
    // What others know of theirs is theirs: what is said here changes what is known here.
    const known = new Map(keyed.map(({ key }) => [key, all.get(key)]));
    const news = keyed.flatMap(({ key, posted: sent }) => {
      const old = known.get(key);
      const next = merged(old, sent);
      known.set(key, next);
      const told = newsOf(old, next);
      return told ? [eventOfPosted(next, told)] : [];
    });
    if (news.length > 0) await keep(news, PROMETHEUS, { door, metrics, limits });
    const postings = keyed.map(
      ({ key, posted: sent }): Posting => ({
        key,
        posted: sent,
        event: eventOfPosted(sent, { status: 'firing', again: undefined }),
      }),
    );
    // One that cannot be kept must not fail its neighbours.
    await keepTogether(postings).catch(() => keepPosted(ledger, postings));
  }
};

/** As go-openapi asks for it: a body has to be called JSON, no body needs no name. */
function wrongMedia(raw: Buffer, headers: Arrived['headers']): Answer | undefined {
  if (raw.length === 0) return refused(602, 'alerts in body is required');
  const type = (headers['content-type'] ?? '').split(';')[0]?.trim() || 'application/octet-stream';
  if (type.toLowerCase() === 'application/json') return undefined;
  return refused(415, `unsupported media type ${JSON.stringify(type)}, only [application/json] are allowed`);
}

function jsonIn(raw: Buffer): unknown {
  try {
    return parseJson(raw, { tolerant: true });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    throw new Problem(error.kind, `parsing alerts body from "" failed, because ${error.message}`);
  }
}

/** The silences and maintenance windows that are on now, as a question about labels: the ids of all that match them. */
async function silencesAt(
  ledger: Queryable,
  { maintenance = [] }: Pick<Routing, 'maintenance'>,
  now: Date,
): Promise<(labels: Labels) => string[]> {
  const silences = [...maintenance, ...(await activeSilences(ledger, now))];
  return (labels) => silencedBy(labels, silences, now);
}
