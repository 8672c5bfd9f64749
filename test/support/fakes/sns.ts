/** Amazon SNS as its subscribers meet it: gives its certificate, and confirms a subscription by the token it gave out, and by no other. */
import { type Answer, type Hit, type Recorder, type Reply, startHttpFake } from './recorder.ts';

export interface FakeSns {
  requests: Recorder<Hit>;
  /** Topics whose subscription was confirmed, once for each time. */
  confirmed: string[];
  script(answers: Answer[]): void;
  /** The way out of who is confirmed: https at any host of Amazon's leads here. */
  fetch: typeof globalThis.fetch;
  /** The addresses that were asked for, as they were given. */
  asked: string[];
  close(): Promise<void>;
}

/** https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html */
export async function startFakeSns({
  topic,
  token,
  pem,
  by = globalThis.fetch,
}: {
  topic: string;
  token: string;
  /** The certificate at every address that ends in .pem. */
  pem: string;
  /** What carries requests here. */
  by?: typeof globalThis.fetch;
}): Promise<FakeSns> {
  const confirmed: string[] = [];
  const asked: string[] = [];
  const refused = (code: string): Reply => ({
    status: 400,
    text: `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code></Error></ErrorResponse>`,
  });
  const { url, requests, script, close } = await startHttpFake('Amazon SNS', ({ method, path, query }) => {
    if (method === 'GET' && path.endsWith('.pem')) return { status: 200, text: pem };
    if (method !== 'GET' || path !== '/' || query.get('Action') !== 'ConfirmSubscription')
      return refused('InvalidAction');
    if (query.get('TopicArn') !== topic || query.get('Token') !== token) return refused('InvalidParameter');
    confirmed.push(topic);
    return {
      status: 200,
      text: `<ConfirmSubscriptionResponse><ConfirmSubscriptionResult><SubscriptionArn>${topic}:1</SubscriptionArn></ConfirmSubscriptionResult></ConfirmSubscriptionResponse>`,
    };
  });
  return {
    requests,
    confirmed,
    asked,
    script,
    close,
    fetch: (target, init) => {
      asked.push(String(target));
      const { pathname, search } = new URL(String(target));
      return by(`${url}${pathname}${search}`, init);
    },
  };
}
