/** Grafana's webhook contact point: https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/ */
import { z } from 'zod';
import { type Alert, alertsIn, EXPIRE_MS, eventOf } from '../core/alert.ts';
import { type Event, type Json, type Labels, SEVERITIES } from '../core/event.ts';
import { objectIn, textIn, textsIn } from '../core/unchecked.ts';
import {
  defineSource,
  digestOf,
  duration,
  fitted,
  type Headers,
  headerOf,
  hmacOf,
  isSame,
  refuseUnlessFresh,
  refuseWithoutToken,
  TEST_EXPIRE_MS,
  timeOf,
  tokenField,
} from './source.ts';

const headerName = () => z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'not the name of a header');

const config = z.strictObject({
  source: z.string().min(1).max(128).default('grafana').meta({
    title: 'Source',
    description: 'The source of its events.',
  }),
  severity: z.enum(SEVERITIES).default('warning').meta({
    title: 'Severity',
    description: 'Of an alert without a label severity; Grafana gives its alerts none by itself.',
  }),
  expire: duration().optional().meta({
    title: 'Expire',
    description:
      'A firing alert not heard of again for so long counts as resolved. Absent: 24h, and only where Max Alerts cuts messages.',
  }),
  token: tokenField().optional(),
  secret: z.string().min(16).optional().meta({
    title: 'Secret',
    description: 'The secret of the HMAC signature set at the contact point.',
    writeOnly: true,
  }),
  signature_header: headerName().default('X-Grafana-Alerting-Signature').meta({
    title: 'Signature header',
    description: 'As set at the contact point.',
  }),
  timestamp_header: headerName().optional().meta({
    title: 'Timestamp header',
    description: 'As set at the contact point; only with it are kept copies of a request refused.',
  }),
});
type Config = z.output<typeof config>;

/** What Grafana sends instead of the rule's own alert where it could not evaluate it; the rule is in the label rulename. */
const FAILED: Readonly<Record<string, string>> = {
  DatasourceNoData: 'no data',
  DatasourceError: 'could not be evaluated',
};

/** Fields of an alert that point somewhere, and what people are told they are. */
const LINKS: [field: string, title: string][] = [
  ['panelURL', 'Panel'],
  ['dashboardURL', 'Dashboard'],
  ['silenceURL', 'Silence in Grafana'],
  ['imageURL', 'Image'],
];

export const grafana = defineSource({
  id: 'grafana',
  name: 'Grafana',
  setup:
    'Add a contact point of the kind Webhook, with POST or PUT, whose URL is this source and whose authorization credentials are an API key; or give it an HMAC secret and the same here.',
  config,
  verify: (raw, headers, config, now) =>
    refuseWithoutToken(headers, config.token) ?? refuseUnlessSigned(raw, headers, config, now),

  normalise(payload, { config, now }) {
    const message = alertsIn(payload);
    if (!message) {
      return {
        events: [],
        rejected: [
          {
            index: 0,
            problem:
              'not a Grafana message: it has no list called alerts; a contact point with a custom payload needs a source of the type mapping',
          },
        ],
      };
    }
    const { externalURL, orgId } = objectIn(payload);
    // Rules that were provisioned twice have the same fingerprints in two Grafanas, or in two organisations of one.
    const place = digestOf([textIn(externalURL), textIn(orgId)]);
    const expire_ms = config.expire ?? (message.isCut ? EXPIRE_MS : undefined);
    return {
      events: message.alerts.map((alert) => made(alert, place, config, expire_ms, now)),
      rejected: message.rejected,
    };
  },
});

/** The signature covers the body, and the timestamp where a header for it is configured. */
function refuseUnlessSigned(raw: Buffer, headers: Headers, config: Config, now: Date): string | undefined {
  const { secret, signature_header, timestamp_header } = config;
  if (secret === undefined) return undefined;
  const seconds = timestamp_header === undefined ? undefined : headerOf(headers, timestamp_header);
  const expected = seconds === undefined ? hmacOf(secret, raw) : hmacOf(secret, `${seconds}:`, raw);
  if (!isSame(headerOf(headers, signature_header), expected)) return 'the signature is missing or wrong';
  return seconds === undefined ? undefined : refuseUnlessFresh(seconds, now);
}

function made(alert: Alert, place: string, config: Config, expire_ms: number | undefined, now: Date): Event {
  const { labels, written } = alert;
  const isTest = labels.alertname === 'TestAlert' && labels.instance === 'Grafana';
  // The fingerprint is taken as given: it counts private labels that are not in the message.
  const key = `${place}/${alert.fingerprint || digestOf(Object.entries(labels).sort())}`;
  const event = eventOf(alert, {
    source: config.source,
    key,
    severity: isTest ? 'info' : config.severity,
    expire_ms: isTest ? TEST_EXPIRE_MS : expire_ms,
    now,
  });
  const failure = Object.hasOwn(FAILED, event.type) ? FAILED[event.type] : undefined;
  if (failure !== undefined) event.title = `${labels.rulename || event.title}: ${failure}`;
  const occurred_at = timeOf(alert.since);
  if (occurred_at) event.occurred_at = occurred_at;
  for (const [field, title] of LINKS) {
    const url = textIn(written[field]);
    if (url && !event.links.some((link) => link.url === url)) event.links.push({ title, url });
  }
  const values = valuesIn(written);
  if (values !== undefined) event.context = { ...objectIn(event.context), values } as Json;
  return fitted(event);
}

/** What was measured; Grafana 8 and 9 say it in one text only. */
function valuesIn({ values, valueString }: Record<string, unknown>): Labels | string | undefined {
  const named = textsIn(values);
  return Object.keys(named).length > 0 ? named : textIn(valueString) || undefined;
}
