/** A receiver of webhooks that believes only what is signed as Standard Webhooks says. */
import type { IncomingHttpHeaders } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { type Answer, createRecorder, type Hit, type Recorder, startHttpFake } from './recorder.ts';

export interface WebhookHit {
  /** The header webhook-id: the delivery key. */
  id: string;
  path: string;
  headers: IncomingHttpHeaders;
  raw: Buffer;
  body: unknown;
  /** Whether an earlier hit had the same id. */
  repeated: boolean;
}

export interface WebhookReceiver {
  url: string;
  /** Only set when signatures are asked for. */
  secret?: string;
  hits: WebhookHit[];
  /** Why a request was not believed. */
  refused: string[];
  requests: Recorder<Hit>;
  script(answers: Answer[]): void;
  waitFor: Recorder<WebhookHit>['waitFor'];
  close(): Promise<void>;
}

/** `secret`: `whsec_…` or raw; without one, nothing is verified but the headers' presence. */
export async function startWebhookReceiver({ secret }: { secret?: string } = {}): Promise<WebhookReceiver> {
  const hits = createRecorder<WebhookHit>('webhook hits');
  const refused: string[] = [];
  const verifier =
    secret === undefined
      ? undefined
      : new Webhook(
          secret.startsWith('whsec_') ? secret : Buffer.from(secret),
          secret.startsWith('whsec_') ? {} : { format: 'raw' },
        );

  const fake = await startHttpFake('webhook receiver', ({ method, path, headers, raw }) => {
    const refuse = (status: number, why: string) => {
      refused.push(why);
      return { status, text: why };
    };
    if (method !== 'POST') return refuse(405, 'POST only');
    if (!/^application\/json\b/.test(headers['content-type'] ?? '')) return refuse(415, 'JSON only');
    const id = headers['webhook-id'];
    if (typeof id !== 'string' || id === '' || id.includes('.'))
      return refuse(400, 'webhook-id is missing or has a dot');
    let body: unknown;
    try {
      const flat = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
      verifier?.verify(raw, flat);
      body = JSON.parse(raw.toString());
    } catch (error) {
      return refuse(401, error instanceof Error ? error.message : String(error));
    }
    hits.add({ id, path, headers, raw, body, repeated: hits.items.some((hit) => hit.id === id) });
    return { status: 204 };
  });

  return {
    url: fake.url,
    ...(secret === undefined ? {} : { secret }),
    hits: hits.items,
    refused,
    requests: fake.requests,
    script: fake.script,
    waitFor: hits.waitFor,
    close: fake.close,
  };
}
