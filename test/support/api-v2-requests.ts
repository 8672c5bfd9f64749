/** What is asked of Alertmanager's API v2 in one list, of theirs and of ours: good bodies, wrong ones, and every kind of query. */
import { CLASSIC_FILTERS, REFUSED_FILTERS } from './filters.ts';

/** Every time that is sent: these are compared as they are, all others are the two servers' own. */
const NOW = Date.now();
export const sent = new Set<string>();
export const at = (minutes: number): string => {
  const time = new Date(NOW + minutes * 60_000).toISOString();
  sent.add(time);
  return time;
};
export const json = (value: unknown): Request => ({ raw: JSON.stringify(value) });

export interface Request {
  method?: string;
  path?: string;
  raw?: string;
  /** Of the body; the empty text for none. JSON unless given. */
  type?: string;
}

const ALERTS = [
  {
    labels: { alertname: 'HostDown', instance: 'a', job: 'node', severity: 'critical' },
    annotations: { summary: 'a is down', empty: '' },
    generatorURL: 'http://prom/graph',
    startsAt: at(-10),
    endsAt: at(30),
  },
  { labels: { alertname: 'Slow', instance: 'a', severity: 'warning' }, startsAt: at(-9), endsAt: at(30) },
  { labels: { alertname: 'Slow', instance: 'b', severity: 'warning', none: '' }, startsAt: at(-8), endsAt: at(30) },
  { labels: { alertname: 'Slow', job: 'z', severity: 'warning' }, startsAt: at(-8), endsAt: at(30) },
  { labels: { alertname: 'Db', team: 'db', severity: 'critical' }, startsAt: at(-7), endsAt: at(30) },
  { labels: { alertname: 'All', team: 'all', x: '1' }, startsAt: at(-7), endsAt: at(30) },
  { labels: { alertname: 'Ünïcode', summary: '日本' }, startsAt: at(-6), endsAt: at(30) },
  { labels: { noname: 'yes' }, startsAt: at(-6), endsAt: at(30) },
  { labels: { alertname: 'Over' }, startsAt: at(-6), endsAt: at(-5) },
  { labels: { alertname: 'Timeout' } },
];
const merging = (startsAt: string, endsAt: string) => json([{ labels: { alertname: 'Merged' }, startsAt, endsAt }]);
const LISTS = ['alerts', 'alerts/groups'];
const QUERIES = [
  '',
  '?active=false',
  '?inhibited=false',
  '?silenced=false',
  '?active=maybe',
  '?active=0',
  '?active=yes',
  '?active=',
  '?unprocessed=false',
  '?filter=alertname=Slow',
  '?filter=alertname=~"S.*"&filter=instance!=a',
  '?filter=instance=""',
  '?filter=missing=~".*"',
  '?filter=alertname!~"Sl.w"',
  '?filter=job="no\\"de"',
  '?filter=foo',
  '?filter={a="b"}',
  '?filter=a="b',
  '?filter=a=b"c',
  '?filter=a=~(',
  '?filter=a=~*',
  '?filter=',
  '?receiver=chat',
  '?receiver=pag.*',
  '?receiver=pag',
  '?receiver=(',
  '?receiver=',
  '?nothing=1',
];
export const FIRST_LIST: Request = { method: 'GET', path: 'alerts?inhibited=true' };
/** Alerts that the filters tell from each other, and then each filter. A label may have no colon there, though a filter may. */
export const filtered = (text: string): Request => ({
  method: 'GET',
  path: `alerts?filter=${encodeURIComponent(text)}`,
});
export const READ_AS_IT_IS: Request[] = [
  json(
    CLASSIC_FILTERS.filter(([, name]) => !name.includes(':')).map(([, name, , value]) => ({
      labels: { alertname: 'Filtered', [name]: value },
      startsAt: at(-4),
      endsAt: at(30),
    })),
  ),
  ...[...CLASSIC_FILTERS, ...REFUSED_FILTERS].map(([text]) => filtered(text)),
];
export const REQUESTS: Request[] = [
  ...['[]', 'null', '', '[', '{}', '"x"', '[{}]', '[{"labels":null}]', '[{"labels":{"a":1}}]', '[{"labels":[]}]'].map(
    (raw) => ({ raw }),
  ),
  json([{ labels: { a: 'b' }, generatorURL: 'not a url' }, {}]),
  json([{}, { labels: { a: 'b' }, generatorURL: 'not a url' }]),
  json([{ labels: { a: 'b' }, generatorURL: 'http://h/%zz' }]),
  json([{ labels: { a: 'b' }, generatorURL: 5 }]),
  json([{ labels: { a: 'b' }, annotations: { c: 1 } }]),
  json([{ labels: { a: 'b' }, startsAt: 'soon' }]),
  json([{ labels: { a: 'b' }, endsAt: 5 }]),
  json([{ labels: { a: 'b' }, startsAt: '2026-01-15' }]),
  { raw: '[]', type: 'text/plain' },
  { raw: '[]', type: 'application/x-www-form-urlencoded' },
  { raw: '[]', type: 'application/json; charset=utf-8' },
  { raw: '', type: 'text/plain' },
  { raw: '[]', type: '' },
  { raw: '', type: '' },
  { path: 'silences', raw: '{}', type: '' },
  { raw: '[]', type: 'application/octet-stream' },
  { raw: '[]', type: 'nonsense' },
  json([{ labels: {} }]),
  json([{ labels: { a: '' } }]),
  json([{ labels: { a: 'b' }, startsAt: at(0), endsAt: at(-1) }]),
  json([
    { labels: {} },
    { labels: { alertname: 'Partly', unknown: 'field' }, extra: 1, endsAt: at(30) },
    { labels: { '': 'x' } },
  ]),
  json(ALERTS),
  json([{ labels: { url: 'path' }, generatorURL: '/rel', startsAt: at(-1), endsAt: at(30) }]),
  json([{ labels: { url: 'none' }, generatorURL: '', startsAt: at(-1), endsAt: at(30) }]),
  json([{ labels: { alertname: 'Short' }, startsAt: '2026-01-15T10:00', endsAt: '2099-01-01T00:00:00' }]),
  json([{ labels: { alertname: 'Unset' }, startsAt: '0001-01-01T00:00:00Z', endsAt: at(30) }]),
  merging(at(-20), at(10)),
  merging(at(-5), at(8)),
  FIRST_LIST,
  ...LISTS.flatMap((list) => QUERIES.map((query) => ({ method: 'GET', path: `${list}${query}` }))),
  merging(at(-5), at(-3)),
  { method: 'GET', path: 'alerts?filter=alertname=Merged' },
  merging(at(-5), at(40)),
  { method: 'GET', path: 'alerts?filter=alertname=Merged' },
  { method: 'GET', path: 'receivers' },
  { method: 'GET', path: 'nope' },
  { method: 'POST', path: 'nope', raw: '[]' },
  { method: 'PUT', path: 'alerts' },
  { method: 'DELETE', path: 'alerts/groups' },
  { method: 'POST', path: 'status', raw: '' },
];

/** Two label sets of one fingerprint: 64 bits of FNV-1a can be made to meet. */
export const COLLIDING = [{ gMPflVXtwGDXbIhP73TX: 'x' }, { LtHf1prlU1bCeYZEdqWf: 'x' }] as const;
