/** A Twilio that refuses what Twilio refuses: credentials, numbers, opt-outs, lengths; it keeps what it took and lists it. */
import { readFileSync } from 'node:fs';
import { Ajv, type AnySchemaObject } from 'ajv';
import formats from 'ajv-formats';
import { type Answer, createRecorder, type Hit, type Recorder, type Reply, startHttpFake } from './recorder.ts';

/** https://www.twilio.com/docs/api/errors/21617 */
const BODY_MAX = 1_600;
/** Twilio's own description of the form, reduced to what Tocsin sends: test/samples/schemas/twilio. */
const PUBLISHED = JSON.parse(
  readFileSync(new URL('../../samples/schemas/twilio/create-message.json', import.meta.url), 'utf8'),
) as AnySchemaObject;
// `phone-number` is Twilio's own word, and From may be a name besides: numbers are looked into below.
const ajv = new Ajv({ strict: false, formats: { 'phone-number': true } });
formats.default(ajv);
const isForm = ajv.compile(PUBLISHED);

const E164 = /^\+[1-9]\d{6,14}$/;

export interface ShortMessageSent {
  sid: string;
  to: string;
  from: string | null;
  messaging_service_sid: string | null;
  body: string;
  status: string;
  status_callback: string | null;
}

export interface FakeTwilio {
  apiUrl: string;
  account: string;
  authToken: string;
  apiKey: { api_key_sid: string; api_key_secret: string };
  /** The account's own number. */
  number: string;
  service: string;
  messages: ShortMessageSent[];
  /** Numbers that have sent STOP. */
  optedOut: Set<string>;
  /** While true the list of messages is empty, although they were taken. */
  isLagging: boolean;
  requests: Recorder<Hit>;
  script(answers: Answer[]): void;
  close(): Promise<void>;
}

/** An error as Twilio writes it: https://www.twilio.com/docs/usage/twilios-response#response-formats-exceptions */
export const twilioError = (status: number, code: number, message: string): Reply => ({
  status,
  json: { code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status },
});

export async function startFakeTwilio(): Promise<FakeTwilio> {
  const account = `AC${'a'.repeat(32)}`;
  const authToken = 'fake-auth-token-not-a-real-one';
  const apiKey = { api_key_sid: `SK${'b'.repeat(32)}`, api_key_secret: 'fake-key-secret-not-a-real-one' };
  const number = '+15005550006';
  const service = `MG${'c'.repeat(32)}`;
  const sent = createRecorder<ShortMessageSent>('short messages');
  const state = { isLagging: false };
  const optedOut = new Set<string>();
  const base = `/2010-04-01/Accounts/${account}`;

  const create = (form: URLSearchParams): Reply => {
    const to = form.get('To') ?? '';
    const from = form.get('From');
    const by = form.get('MessagingServiceSid');
    const body = form.get('Body') ?? '';
    const callback = form.get('StatusCallback');
    if (to === '') return twilioError(400, 21604, "A 'To' phone number is required.");
    if (!E164.test(to)) return twilioError(400, 21211, `Invalid 'To' Phone Number: ${to}`);
    if (from === null && by === null) return twilioError(400, 21603, "A 'From' phone number is required.");
    if (by !== null && by !== service) return twilioError(400, 21701, 'The messaging service does not exist');
    if (from !== null && from !== number && E164.test(from))
      return twilioError(400, 21606, `The 'From' phone number ${from} is not a valid, SMS-capable number for ${to}`);
    if (body === '') return twilioError(400, 21602, 'Message body is required.');
    if (body.length > BODY_MAX)
      return twilioError(400, 21617, 'The concatenated message body exceeds the 1600 character limit.');
    if (callback !== null && !URL.canParse(callback))
      return twilioError(400, 21609, 'The StatusCallback URL is not valid');
    const fields = [...form.keys()];
    if (new Set(fields).size !== fields.length) return twilioError(400, 20001, 'a field of the form is there twice');
    if (!isForm(Object.fromEntries(form)))
      return twilioError(400, 20001, ajv.errorsText(isForm.errors, { dataVar: 'form' }));
    if (optedOut.has(to)) return twilioError(400, 21610, 'Attempt to send to unsubscribed recipient');
    const message: ShortMessageSent = {
      sid: `SM${String(sent.items.length + 1).padStart(32, '0')}`,
      to,
      from,
      messaging_service_sid: by,
      body,
      status: by === null ? 'queued' : 'accepted',
      status_callback: callback,
    };
    sent.add(message);
    return { status: 201, json: { ...message, error_code: null, error_message: null, direction: 'outbound-api' } };
  };

  const read = (path: string, query: URLSearchParams): Reply => {
    switch (path) {
      case `${base}.json`:
        return { status: 200, json: { sid: account, status: 'active', friendly_name: 'Fake' } };
      case `${base}/Messages.json`: {
        const to = query.get('To');
        const found = state.isLagging ? [] : sent.items.filter((one) => to === null || one.to === to).toReversed();
        return { status: 200, json: { messages: found.slice(0, Number(query.get('PageSize') ?? 50)), page: 0 } };
      }
      case `${base}/IncomingPhoneNumbers.json`: {
        const own = query.get('PhoneNumber') === number ? [{ phone_number: number, capabilities: { sms: true } }] : [];
        return { status: 200, json: { incoming_phone_numbers: own } };
      }
      case `/v1/Services/${service}`:
        return { status: 200, json: { sid: service } };
      default:
        return twilioError(404, 20404, `The requested resource ${path} was not found`);
    }
  };

  const fake = await startHttpFake('Twilio', (hit): Reply => {
    const shown = Buffer.from((hit.headers.authorization ?? '').replace(/^Basic /, ''), 'base64').toString();
    const byKey = shown === `${apiKey.api_key_sid}:${apiKey.api_key_secret}`;
    // A standard API key may not read the account itself: https://www.twilio.com/docs/iam/api-keys
    if (!(shown === `${account}:${authToken}` || (byKey && hit.path !== `${base}.json`)))
      return twilioError(401, 20003, 'Authenticate');
    if (hit.method === 'GET') return read(hit.path, hit.query);
    if (hit.path !== `${base}/Messages.json`) return twilioError(404, 20404, 'not found');
    if (hit.headers['content-type'] !== 'application/x-www-form-urlencoded') return twilioError(400, 21604, 'no form');
    return create(new URLSearchParams(hit.raw.toString()));
  });

  return {
    apiUrl: fake.url,
    account,
    authToken,
    apiKey,
    number,
    service,
    messages: sent.items,
    optedOut,
    get isLagging() {
      return state.isLagging;
    },
    set isLagging(value: boolean) {
      state.isLagging = value;
    },
    requests: fake.requests,
    script: fake.script,
    close: fake.close,
  };
}
