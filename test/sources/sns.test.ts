import { describe, expect, it } from 'vitest';
import { sns } from '../../src/sources/sns.ts';
import alarm from '../samples/sns/cloudwatch-alarm.json' with { type: 'json' };
import anomaly from '../samples/sns/cloudwatch-anomaly-ok.json' with { type: 'json' };
import unknown from '../samples/sns/cloudwatch-insufficient-data.json' with { type: 'json' };
import okay from '../samples/sns/cloudwatch-ok.json' with { type: 'json' };
import health from '../samples/sns/health-event.json' with { type: 'json' };
import rawAlarm from '../samples/sns/raw-alarm.json' with { type: 'json' };
import confirmation from '../samples/sns/subscription-confirmation.json' with { type: 'json' };
import { createSnsSigner } from '../support/sns-signer.ts';

const TOPIC = 'arn:aws:sns:eu-west-1:1234567890:alerta-test';
const TOKEN = 'a-token-of-some-length';
const THEN = new Date('2019-02-15T23:54:00Z');
const normalise = (payload: unknown, config: object = {}, headers: Record<string, string> = {}) =>
  sns.normalise(payload, { name: 'aws', config: sns.config.parse(config), now: THEN, headers });
const saying = (message: unknown, more: object = {}) => ({ ...alarm, Message: JSON.stringify(message), ...more });

describe('an alarm of CloudWatch', () => {
  it('becomes an event with its dimensions, its reason and the page of the alarm', () => {
    const { events, rejected } = normalise(alarm);
    expect(rejected).toEqual([]);
    expect(events).toEqual([
      {
        id: 'e288882d-4281-5be4-8fde-dccc11c8cb01',
        source: 'sns',
        type: 'bucketbytesAlarm',
        title: 'ALARM: "bucketbytesAlarm" in EU (Ireland)',
        body: expect.stringMatching(/^bucket bytes size exceeded\n\nThreshold Crossed: /),
        severity: 'error',
        severity_word: 'ALARM',
        service: 'AWS/S3',
        components: ['StandardStorage', 'try.alerta.io'],
        labels: {
          alarm: 'bucketbytesAlarm',
          account: '1234567890',
          region: 'eu-west-1',
          namespace: 'AWS/S3',
          metric: 'BucketSizeBytes',
          topic: 'alerta-test',
          StorageType: 'StandardStorage',
          BucketName: 'try.alerta.io',
        },
        assignees: [],
        links: [
          {
            title: 'Alarm',
            url: 'https://console.aws.amazon.com/cloudwatch/home?region=eu-west-1#alarmsV2:alarm/bucketbytesAlarm',
          },
        ],
        status: 'firing',
        dedup_key: '1234567890/eu-west-1/bucketbytesAlarm',
        occurred_at: '2019-02-15T23:53:45.093+0000',
      },
    ]);
  });

  it('that is OK ends the one in ALARM', () => {
    const arn = 'arn:aws:cloudwatch:ap-northeast-1:257706363616:alarm:ec2CPUUtilization';
    const [resolved] = normalise(okay).events;
    expect(resolved).toMatchObject({
      id: '20a65051-dd7d-5952-906e-09179028dc41',
      status: 'resolved',
      type: 'ec2CPUUtilization',
      title: 'OK: "ec2CPUUtilization" in Asia Pacific (Tokyo)',
      severity_word: 'OK',
      service: 'AWS/EC2',
      components: ['eks-6ebcce7e-400b-8a69-f0e9-d9e14bb635d2'],
      labels: { region: 'ap-northeast-1', account: '257706363616', metric: 'CPUUtilization', topic: 'aws-sns-topic' },
      links: [
        {
          title: 'Alarm',
          url: 'https://console.aws.amazon.com/cloudwatch/home?region=ap-northeast-1#alarmsV2:alarm/ec2CPUUtilization',
        },
      ],
      dedup_key: arn,
      occurred_at: '2021-06-18T07:28:21.921+0000',
    });
    const again = { ...JSON.parse(okay.Message), NewStateValue: 'ALARM', OldStateValue: 'OK' };
    const [firing] = normalise({ ...okay, MessageId: 'm-1', Message: JSON.stringify(again) }).events;
    expect([firing?.status, firing?.dedup_key]).toEqual(['firing', arn]);
  });

  it('of a band of what is expected is about the metric that it is the band of', () => {
    expect(normalise(anomaly).events).toMatchObject([
      {
        status: 'resolved',
        title: 'OK: "ContainerInsight-pod_cpu_utilization" in Asia Pacific (Seoul)',
        body: expect.stringMatching(/^Thresholds Crossed: /),
        service: 'ContainerInsights',
        components: ['cloudone-dev-v1-eks-cluster'],
        labels: { metric: 'pod_cpu_utilization', namespace: 'ContainerInsights', ClusterName: expect.anything() },
        dedup_key: 'arn:aws:cloudwatch:ap-northeast-2:257706363616:alarm:ContainerInsight-pod_cpu_utilization',
      },
    ]);
  });

  it('without data ends nothing, and is a warning', () => {
    expect(normalise(unknown).events[0]).toMatchObject({ status: 'firing', severity: 'warning' });
  });

  it('is known by its ARN where it has one, has the severity that is configured, and may be over several metrics', () => {
    const message = {
      AlarmName: 'a/b c',
      AlarmArn: 'arn:aws-cn:cloudwatch:cn-north-1:1:alarm:a/b c',
      NewStateValue: 'ALARM',
      Trigger: {
        Metrics: [
          { Expression: 'm1/m2' },
          {
            MetricStat: {
              Metric: { Namespace: 'AWS/ECS', MetricName: 'CPU', Dimensions: [{ name: 'ServiceName', value: 'shop' }] },
            },
          },
        ],
      },
    };
    expect(normalise(saying(message, { Subject: null }), { severity: 'critical' }).events[0]).toMatchObject({
      title: 'ALARM: a/b c',
      dedup_key: message.AlarmArn,
      severity: 'critical',
      service: 'shop',
      labels: { metric: 'CPU', region: 'cn-north-1' },
      links: [{ url: 'https://console.amazonaws.cn/cloudwatch/home?region=cn-north-1#alarmsV2:alarm/a%2Fb%20c' }],
    });
  });
});

describe('what else comes over a topic', () => {
  it('is told as it is: a text as the body, JSON as the context', () => {
    expect(normalise({ ...alarm, Subject: '', Message: 'The budget is spent.\nAll of it.' }).events[0]).toMatchObject({
      type: 'sns_notification',
      title: 'The budget is spent.',
      body: 'The budget is spent.\nAll of it.',
      severity: 'info',
      labels: { topic: 'alerta-test' },
    });
    expect(normalise(saying({ Cause: 'scaled' }, { Subject: 'Auto Scaling' })).events[0]).toMatchObject({
      title: 'Auto Scaling',
      context: { Cause: 'scaled' },
    });
    expect(normalise({ ...alarm, Subject: '', Message: '' }).events[0]?.title).toBe(
      'A message of the topic alerta-test',
    );
    expect(normalise(health).events[0]).toMatchObject({
      title: 'AWS Health Abuse Event',
      severity: 'info',
      labels: { topic: 'phd-info-dev' },
      context: { source: 'aws.health', detail: { eventTypeCategory: 'issue' } },
      occurred_at: '2022-02-18T08:35:33.452Z',
    });
  });

  it('comes bare with raw delivery, and is known by its headers', () => {
    const headers = {
      'x-amz-sns-rawdelivery': 'true',
      'x-amz-sns-message-id': 'm-1',
      'x-amz-sns-topic-arn': TOPIC,
    };
    expect(sns.reads?.(Buffer.from('x'), headers)).toBe('bytes');
    expect(sns.reads?.(Buffer.from('x'), {})).toBe('json');
    const [event] = normalise(Buffer.from(JSON.stringify(rawAlarm)), {}, headers).events;
    expect(event).toMatchObject({
      id: 'm-1',
      type: '[TITLE-TEST-ALARM] Title of Broken Alarm',
      title: 'ALARM: [TITLE-TEST-ALARM] Title of Broken Alarm',
      body: expect.stringMatching(/^Body of alarm\.\nStats:\nTEAM=foobar\nPriority=P1\n\nThreshold Crossed: /),
      service: 'gh-ci-scaleUp-dim',
      components: ['pytorch', 'linux.2xlarge'],
      labels: { region: 'us-east-1', Org: 'pytorch', RunnerType: 'linux.2xlarge' },
      dedup_key: rawAlarm.AlarmArn,
      occurred_at: '2025-09-16T16:59:17.131+0000',
      links: [
        { title: 'Alarm', url: expect.stringMatching(/alarm\/%5BTITLE-TEST-ALARM%5D%20Title%20of%20Broken%20Alarm$/) },
      ],
    });
    expect(normalise(Buffer.from('plain'), {}, headers).events[0]?.title).toBe('plain');
    expect(normalise(Buffer.from('plain'), {}, { 'x-amz-sns-rawdelivery': 'true' }).rejected).toHaveLength(1);
  });

  it('is rejected in words where it is none of SNS, whatever it is', () => {
    for (const payload of [
      null,
      [],
      'x',
      4,
      {},
      { Type: 'Other' },
      { Type: 'Notification' },
      { Type: 'UnsubscribeConfirmation', MessageId: 'x' },
    ]) {
      const { events, rejected, follow } = normalise(payload);
      expect([events, rejected.length, follow]).toEqual([[], 1, undefined]);
    }
    const odd = {
      AlarmName: 'a',
      NewStateValue: 'ALARM',
      Trigger: { Dimensions: [null, 4, { name: '__proto__', value: 'x' }], Metrics: 'no' },
    };
    expect(normalise(saying(odd)).events).toHaveLength(1);
  });
});

describe('the confirmation of a subscription', () => {
  it('is asked for at SNS', () => {
    expect(normalise(confirmation)).toEqual({ events: [], rejected: [], follow: confirmation.SubscribeURL });
  });

  it.each([
    ['another host', 'https://sns.eu-west-1.amazonaws.com.evil.example/?'],
    ['a bucket of anybody', 'https://sns.s3.amazonaws.com.s3.amazonaws.com/?'],
    ['another service', 'https://ec2.eu-west-1.amazonaws.com/?'],
    ['plain http', 'http://sns.eu-west-1.amazonaws.com/?'],
    ['a port', 'https://sns.eu-west-1.amazonaws.com:8443/?'],
    ['a user', 'https://x@sns.eu-west-1.amazonaws.com/?'],
    ['another path', 'https://sns.eu-west-1.amazonaws.com/x?'],
    ['no address', 'x'],
  ])('is not asked for at %s', (_, base) => {
    const { search } = new URL(confirmation.SubscribeURL);
    const { follow, rejected } = normalise({ ...confirmation, SubscribeURL: base.replace(/\?$/, search) });
    expect([follow, rejected.length]).toEqual([undefined, 1]);
  });

  it('is not asked for where the address does something else, or for another topic', () => {
    for (const SubscribeURL of [
      confirmation.SubscribeURL.replace('ConfirmSubscription', 'Unsubscribe'),
      confirmation.SubscribeURL.replace('alerta-test', 'other'),
    ])
      expect(normalise({ ...confirmation, SubscribeURL }).follow).toBeUndefined();
  });
});

describe('a message of SNS', () => {
  const verify = (
    body: unknown,
    {
      config = {},
      headers = {},
      now = THEN,
      query = { token: TOKEN },
    }: { config?: object; headers?: object; now?: Date; query?: Record<string, unknown> } = {},
  ) =>
    sns.verify(
      Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
      { ...headers },
      sns.config.parse({ token: TOKEN, ...config }),
      now,
      query,
    );

  it('is proven by the token, in the address or as the password', () => {
    expect(verify(alarm)).toBeUndefined();
    const authorization = `Basic ${Buffer.from(`sns:${TOKEN}`).toString('base64')}`;
    expect(verify(alarm, { query: {}, headers: { authorization } })).toBeUndefined();
    expect(verify(alarm, { query: {} })).toBe('the token is missing or wrong');
    expect(verify(alarm, { query: { token: 'wrong' } })).toBe('the token is missing or wrong');
  });

  it('is refused when it is old, of the future or of no time', () => {
    const at = (ms: number) => new Date(Date.parse(alarm.Timestamp) + ms);
    expect(verify(alarm, { now: at(64 * 60_000) })).toBeUndefined();
    expect(verify(alarm, { now: at(66 * 60_000) })).toMatch(/too old/);
    expect(verify(alarm, { now: at(-6 * 60_000) })).toMatch(/too old/);
    expect(verify({ ...alarm, Timestamp: undefined })).toMatch(/of no time/);
  });

  it('is refused when its certificate is not of SNS', () => {
    for (const SigningCertURL of [
      undefined,
      'x',
      'https://evil.example/SimpleNotificationService-1.pem',
      'https://sns.eu-west-1.amazonaws.com.evil.example/x.pem',
      'http://sns.eu-west-1.amazonaws.com/x.pem',
      'https://sns.eu-west-1.amazonaws.com/x.txt',
    ])
      expect(verify({ ...alarm, SigningCertURL })).toMatch(/certificate/);
    expect(verify({ ...alarm, SigningCertURL: 'https://sns.cn-north-1.amazonaws.com.cn/x.pem' })).toBeUndefined();
  });

  it('is refused when it is of another topic than those that are configured', () => {
    expect(verify(alarm, { config: { topics: [TOPIC] } })).toBeUndefined();
    expect(verify(alarm, { config: { topics: [`${TOPIC}2`] } })).toBe('not one of the topics');
    const headers = { 'x-amz-sns-rawdelivery': 'true', 'x-amz-sns-topic-arn': TOPIC };
    expect(verify('bare', { headers, config: { verify: false, topics: [TOPIC] } })).toBeUndefined();
    expect(verify('bare', { headers, config: { verify: false, topics: [`${TOPIC}2`] } })).toBe('not one of the topics');
  });

  it('is refused when it is delivered raw, which would leave its signature out', () => {
    const headers = { 'x-amz-sns-rawdelivery': 'TRUE', 'x-amz-sns-topic-arn': TOPIC };
    expect(verify('bare', { headers })).toMatch(/raw is not signed.*verify: false/);
    expect(verify(alarm, { headers })).toMatch(/raw is not signed/);
  });

  it('may be of nobody’s certificate where signatures are not looked at', () => {
    const config = { verify: false };
    expect(verify({ ...alarm, SigningCertURL: 'http://localstack:4566/x.pem' }, { config })).toBeUndefined();
    expect(verify({ ...alarm, Timestamp: undefined }, { config })).toMatch(/of no time/);
  });

  it('that is none is left to who reads it', () => {
    for (const body of ['', '{', '{}', 'null', '[]']) expect(verify(body)).toBeUndefined();
  });
});

describe('the signature of a message', async () => {
  const signer = await createSnsSigner();
  const asked: string[] = [];
  const noting: typeof globalThis.fetch = (target, init) => {
    asked.push(String(target));
    return signer.fetch(target, init);
  };
  const authenticate = (body: unknown, { config = {}, now = THEN, fetch = noting } = {}) =>
    sns.authenticate?.(
      Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
      sns.config.parse({ token: TOKEN, ...config }),
      { now, fetch },
    );

  it.each([
    ['a notice', alarm],
    ['a notice without a subject', { ...alarm, Subject: undefined }],
    ['a notice whose subject is null', { ...alarm, Subject: null }],
    ['a notice with spaces at its ends', { ...alarm, Subject: ' x ', Message: ' \n y' }],
    ['a confirmation', confirmation],
    ['the end of a subscription', { ...confirmation, Type: 'UnsubscribeConfirmation' }],
  ])('is right on %s, in either version', async (_, message) => {
    expect(await authenticate(signer.sign(message))).toBeUndefined();
    expect(await authenticate(signer.sign(message, '2'))).toBeUndefined();
  });

  it.each(['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn'])(
    'is wrong where %s was changed on the way',
    async (name) => {
      for (const version of ['1', '2'] as const) {
        const message: Record<string, unknown> = signer.sign(alarm, version);
        const altered = { ...message, [name]: `${message[name]}x` };
        expect(await authenticate(altered)).toBe('the signature does not fit the message');
      }
    },
  );

  it('is wrong where a confirmation’s address or token was changed, or it calls itself something else', async () => {
    const message = signer.sign(confirmation);
    for (const altered of [
      { ...message, SubscribeURL: `${message.SubscribeURL}&x=1` },
      { ...message, Token: 'x' },
      { ...message, Type: 'UnsubscribeConfirmation' },
      { ...message, Type: 'Notification' },
    ])
      expect(await authenticate(altered)).toBe('the signature does not fit the message');
  });

  it('is wrong where it is of another key, another version, or none', async () => {
    const message = signer.sign(alarm);
    const other = await createSnsSigner();
    expect(await authenticate(other.sign(alarm))).toBe('the signature does not fit the message');
    expect(await authenticate({ ...message, SignatureVersion: '2' })).toBe('the signature does not fit the message');
    for (const SignatureVersion of [undefined, '3', 1, 'constructor'])
      expect(await authenticate({ ...message, SignatureVersion })).toMatch(/no SignatureVersion/);
    for (const Signature of [undefined, '', 4])
      expect(await authenticate({ ...message, Signature })).toMatch(/not signed/);
    for (const Signature of ['x', 'REMOVED', message.Signature.slice(4)])
      expect(await authenticate({ ...message, Signature })).toMatch(/does not fit/);
  });

  it('is wrong where its certificate is not in force, yet or any more', async () => {
    const now = THEN;
    const over = await createSnsSigner({ until: new Date(now.getTime() - 1_000) });
    const early = await createSnsSigner({ from: new Date(now.getTime() + 1_000) });
    for (const { sign, fetch } of [over, early])
      expect(await authenticate(sign(alarm), { fetch })).toBe('the certificate it is signed with is not in force');
  });

  it('needs its certificate once for each address, and asks again where it could not be had', async () => {
    const answers = [
      new Response('no', { status: 500 }),
      new Response('no certificate'),
      new Response('x'.repeat(99_999)),
    ];
    const fetch: typeof globalThis.fetch = (target, init) => {
      const answer = answers.shift();
      return answer ? Promise.resolve(answer) : noting(target, init);
    };
    const message = signer.sign(alarm);
    for (const problem of [/answers 500/, /PEM/i, /longer than/])
      await expect(authenticate(message, { fetch })).rejects.toThrow(problem);
    asked.length = 0;
    await Promise.all([1, 2, 3].map(() => authenticate(message, { fetch })));
    await authenticate(message, { fetch });
    const elsewhere = signer.sign({ ...alarm, SigningCertURL: 'https://sns.us-east-1.amazonaws.com/other.pem' });
    await authenticate(elsewhere, { fetch });
    expect(asked).toEqual([alarm.SigningCertURL, elsewhere.SigningCertURL]);
  });

  it('is not looked for where nobody wants it, or where there is no message', async () => {
    const fetch = () => Promise.reject(new Error('nothing is to be asked'));
    expect(await authenticate(alarm, { config: { verify: false }, fetch })).toBeUndefined();
    for (const body of ['', '{', '{}', 'null', '[]']) expect(await authenticate(body, { fetch })).toBeUndefined();
  });

  it('is looked for behind a byte order mark as well, since who reads the message takes that off', async () => {
    expect(await authenticate(`\u{feff}${JSON.stringify({ ...signer.sign(alarm), Message: 'x' })}`)).toMatch(
      /does not fit/,
    );
  });
});
