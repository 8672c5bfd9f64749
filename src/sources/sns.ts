/** Amazon SNS over HTTPS, and CloudWatch's alarms in it: https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html */
import { z } from 'zod';
import { type Event, type Json, type Labels, type Link, SEVERITIES } from '../core/event.ts';
import { refuseUnlessSigned } from './sns/signature.ts';
import {
  addressTokenField,
  defineSource,
  fitted,
  type Headers,
  refuseWithoutToken,
  textsIn,
  timeOf,
} from './source.ts';

const config = z.strictObject({
  source: z.string().min(1).max(128).default('sns').meta({
    title: 'Source',
    description: 'The source of its events.',
  }),
  severity: z.enum(SEVERITIES).default('error').meta({
    title: 'Severity',
    description: 'Of an alarm in the state ALARM: CloudWatch knows no severities.',
  }),
  topics: z.array(z.string().startsWith('arn:')).min(1).optional().meta({
    title: 'Topics',
    description: 'The ARNs of the topics that may send here; absent: any topic whose subscriber shows the token.',
  }),
  token: addressTokenField().optional(),
  verify: z.boolean().default(true).meta({
    title: 'Verify',
    description:
      'Whether a message has to be signed by Amazon. Off for senders that only speak like SNS (LocalStack), and for subscriptions with raw delivery, which nobody signs: then the token is all that proves a message.',
  }),
});
type Config = z.output<typeof config>;

/** Whose certificate signs, and whom a confirmation is asked of: SNS itself, in any region. */
const SNS_HOST = /^sns\.[a-z0-9-]{3,}\.amazonaws\.com$/;
const SNS_SIGNER = /^sns\.[a-z0-9-]{3,}\.amazonaws\.com(?:\.cn)?$/;
/** SNS tries for an hour at most, whatever a delivery policy says; the rest is for clocks. */
const OLD_MS = 65 * 60_000;
const AHEAD_MS = 5 * 60_000;

const text = z.string().trim().catch('');
const Envelope = z.object({
  Type: z.enum(['Notification', 'SubscriptionConfirmation', 'UnsubscribeConfirmation']),
  MessageId: text,
  TopicArn: text,
  Subject: text,
  Message: text,
  Timestamp: text,
  SubscribeURL: text,
  SigningCertURL: text,
});
type Envelope = z.output<typeof Envelope>;

const Metric = z
  .object({ Namespace: text, MetricName: text, Dimensions: z.array(z.unknown()).catch([]) })
  .catch({ Namespace: '', MetricName: '', Dimensions: [] });
/** An alarm of an expression over metrics has them in a list instead. */
const Measured = z.object({ MetricStat: z.object({ Metric }) });
const Alarm = z.object({
  AlarmName: z.string().trim().min(1),
  AlarmArn: text,
  AlarmDescription: text,
  AWSAccountId: z.union([z.string(), z.number()]).transform(String).catch(''),
  Region: text,
  NewStateValue: z.enum(['ALARM', 'OK', 'INSUFFICIENT_DATA']),
  NewStateReason: text,
  StateChangeTime: text,
  Trigger: z
    .object({ ...Metric.unwrap().shape, Metrics: z.array(z.unknown()).catch([]) })
    .catch({ Namespace: '', MetricName: '', Dimensions: [], Metrics: [] }),
});
type Alarm = z.output<typeof Alarm>;
const Dimension = z.object({ name: z.string(), value: z.string() });

export const sns = defineSource({
  id: 'sns',
  name: 'Amazon SNS (CloudWatch alarms)',
  setup:
    'Subscribe this source to the topic by HTTPS, with a token of its own in the address (?token=…) and without raw delivery; the subscription is confirmed by itself. Messages are checked against the certificate of Amazon that they name, which is fetched from it.',
  config,

  verify(raw, headers, { token, topics, verify }, now, query) {
    const refusal = refuseWithoutToken(headers, token, query);
    if (refusal !== undefined) return refusal;
    const allows = (topic: string): boolean => topics === undefined || topics.includes(topic);
    if (isRaw(headers)) {
      // Else whoever has the token could leave the signature out by saying so.
      if (verify) return 'what is delivered raw is not signed: subscribe without raw delivery, or set verify: false';
      return allows(headerOf(headers, 'x-amz-sns-topic-arn')) ? undefined : 'not one of the topics';
    }
    const envelope = Envelope.safeParse(messageIn(raw));
    // Whatever is no message of SNS is told so by who reads it.
    if (!envelope.success) return undefined;
    const { TopicArn, Timestamp, SigningCertURL } = envelope.data;
    if (!allows(TopicArn)) return 'not one of the topics';
    if (verify && !isSigner(SigningCertURL)) return 'the certificate it is said to be signed with is not of SNS';
    const age_ms = now.getTime() - Date.parse(timeOf(Timestamp) ?? '');
    return age_ms <= OLD_MS && age_ms >= -AHEAD_MS ? undefined : 'the message is too old, or of no time';
  },

  async authenticate(raw, { verify }, at) {
    const message = messageIn(raw);
    const envelope = Envelope.safeParse(message);
    if (!verify || !envelope.success) return undefined;
    return refuseUnlessSigned(message as Record<string, unknown>, envelope.data.SigningCertURL, at);
  },

  /** With raw delivery the body is what was published, which may be no JSON. */
  reads: (_raw, headers) => (isRaw(headers) ? 'bytes' : 'json'),

  normalise(payload, { config, headers = {} }) {
    const refused = (problem: string) => ({ events: [], rejected: [{ index: 0, problem }] });
    const envelope = Buffer.isBuffer(payload) ? rawDelivery(payload, headers) : Envelope.safeParse(payload).data;
    if (!envelope) return refused('not a message of SNS: its Type is none of the three');
    if (envelope.MessageId === '') return refused('the message has no MessageId');
    switch (envelope.Type) {
      case 'Notification':
        return { events: [fitted(eventOf(envelope, config))], rejected: [] };
      case 'SubscriptionConfirmation':
        return isConfirmation(envelope)
          ? { events: [], rejected: [], follow: envelope.SubscribeURL }
          : refused('its SubscribeURL does not confirm this topic at SNS: confirm the subscription by hand');
      case 'UnsubscribeConfirmation':
        return refused('the subscription of the topic has ended: subscribe again if it should not have');
      default:
        return envelope.Type satisfies never;
    }
  },
});

const headerOf = (headers: Headers, name: string): string => {
  const value = headers[name];
  return typeof value === 'string' ? value : '';
};

const isRaw = (headers: Headers): boolean => headerOf(headers, 'x-amz-sns-rawdelivery').toLowerCase() === 'true';

const rawDelivery = (body: Buffer, headers: Headers): Envelope => ({
  Type: 'Notification',
  MessageId: headerOf(headers, 'x-amz-sns-message-id'),
  TopicArn: headerOf(headers, 'x-amz-sns-topic-arn'),
  Subject: '',
  Message: body.toString('utf8'),
  Timestamp: '',
  SubscribeURL: '',
  SigningCertURL: '',
});

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** As the body is read once it is believed (src/http/body.ts): what is nothing here must not be a message there. */
const utf8 = new TextDecoder('utf-8', { fatal: true });

function messageIn(raw: Buffer): unknown {
  try {
    return JSON.parse(utf8.decode(raw));
  } catch {
    return undefined;
  }
}

function isSigner(address: string): boolean {
  const url = httpsUrl(address);
  return url !== undefined && SNS_SIGNER.test(url.hostname) && url.pathname.endsWith('.pem');
}

function httpsUrl(address: string): URL | undefined {
  const url = URL.parse(address);
  const isPlain = url?.protocol === 'https:' && url.port === '' && url.username === '' && url.password === '';
  return url && isPlain ? url : undefined;
}

/** Of this very topic, at SNS, and nothing but a confirmation: the address is called with nobody looking. */
function isConfirmation({ SubscribeURL, TopicArn }: Envelope): boolean {
  const url = httpsUrl(SubscribeURL);
  if (!url || !SNS_HOST.test(url.hostname) || url.pathname !== '/' || TopicArn === '') return false;
  const { searchParams } = url;
  return searchParams.get('Action') === 'ConfirmSubscription' && searchParams.get('TopicArn') === TopicArn;
}

function eventOf(envelope: Envelope, config: Config): Event {
  const message = parsed(envelope.Message);
  const alarm = Alarm.safeParse(message);
  return alarm.success ? alarmEvent(alarm.data, envelope, config) : otherEvent(message, envelope, config);
}

/** What comes over the topic and is no alarm: told as it is. */
function otherEvent(
  message: unknown,
  { MessageId, TopicArn, Subject, Message, Timestamp }: Envelope,
  config: Config,
): Event {
  const isJson = typeof message === 'object' && message !== null;
  const topic = TopicArn.split(':').at(-1) ?? '';
  const [line = ''] = Message.trimStart().slice(0, 1_000).split('\n');
  // What comes by EventBridge, such as AWS Health, has no subject; this says what it is.
  const kind = isJson ? textsIn(message)['detail-type'] : line.trim();
  const event: Event = {
    id: MessageId,
    source: config.source,
    type: 'sns_notification',
    title: Subject || kind || `A message of the topic ${topic}`,
    severity: 'info',
    components: [],
    labels: textsIn({ topic }),
    assignees: [],
    links: [],
    status: 'firing',
  };
  if (isJson) event.context = message as Json;
  else if (Message) event.body = Message;
  const occurred_at = timeOf(Timestamp);
  if (occurred_at) event.occurred_at = occurred_at;
  return event;
}

/** INSUFFICIENT_DATA ends nothing: whether it still is as bad, nobody knows. */
const isOk = ({ NewStateValue }: Alarm): boolean => NewStateValue === 'OK';

function alarmEvent(alarm: Alarm, { MessageId, TopicArn, Subject }: Envelope, config: Config): Event {
  const { AlarmName, AlarmArn, AlarmDescription, NewStateReason, NewStateValue, AWSAccountId } = alarm;
  // The alarm's own Region is a name for people ("EU (Ireland)"), and topics are of the region of their alarms.
  const [, , , region = ''] = (AlarmArn || TopicArn).split(':');
  const { Namespace, MetricName, Dimensions } = metricOf(alarm);
  const dimensions = dimensionsOf(Dimensions);
  const event: Event = {
    id: MessageId,
    source: config.source,
    type: AlarmName,
    title: Subject || `${NewStateValue}: ${AlarmName}`,
    severity: NewStateValue === 'INSUFFICIENT_DATA' ? 'warning' : config.severity,
    severity_word: NewStateValue,
    components: Object.values(dimensions),
    labels: textsIn({
      ...dimensions,
      alarm: AlarmName,
      account: AWSAccountId,
      region: region || alarm.Region,
      namespace: Namespace,
      metric: MetricName,
      topic: TopicArn.split(':').at(-1) ?? '',
    }),
    assignees: [],
    links: linksOf(AlarmName, AlarmArn || TopicArn, region),
    status: isOk(alarm) ? 'resolved' : 'firing',
    dedup_key: AlarmArn || [AWSAccountId, region || alarm.Region, AlarmName].join('/'),
  };
  const body = [AlarmDescription, NewStateReason].filter(Boolean).join('\n\n');
  if (body) event.body = body;
  const service = dimensions.ServiceName || Namespace;
  if (service) event.service = service;
  const occurred_at = timeOf(alarm.StateChangeTime);
  if (occurred_at) event.occurred_at = occurred_at;
  return event;
}

function metricOf({ Trigger }: Alarm): z.output<typeof Metric> {
  if (Trigger.MetricName) return Trigger;
  for (const entry of Trigger.Metrics) {
    const measured = Measured.safeParse(entry);
    if (measured.success) return measured.data.MetricStat.Metric;
  }
  return Trigger;
}

function dimensionsOf(entries: unknown[]): Labels {
  const pairs = entries.flatMap((entry) => {
    const dimension = Dimension.safeParse(entry);
    return dimension.success ? [[dimension.data.name, dimension.data.value] as const] : [];
  });
  return textsIn(Object.fromEntries(pairs));
}

/** Where people look at alarms, by the part of AWS that an ARN says (docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html). */
const CONSOLES: Readonly<Record<string, string>> = {
  aws: 'console.aws.amazon.com',
  'aws-cn': 'console.amazonaws.cn',
  'aws-us-gov': 'console.amazonaws-us-gov.com',
};

function linksOf(alarm: string, arn: string, region: string): Link[] {
  const [, partition = ''] = arn.split(':');
  const host = Object.hasOwn(CONSOLES, partition) ? CONSOLES[partition] : undefined;
  if (!host || !/^[a-z0-9-]+$/.test(region)) return [];
  const name = encodeURIComponent(alarm.toWellFormed());
  return [{ title: 'Alarm', url: `https://${host}/cloudwatch/home?region=${region}#alarmsV2:alarm/${name}` }];
}
