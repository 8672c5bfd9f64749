/** The signature of a message of Amazon SNS: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html */
import { verify, X509Certificate } from 'node:crypto';

type Fetch = typeof globalThis.fetch;

/** Version 1 is what every topic has that nobody has changed. */
const ALGORITHMS: Readonly<Record<string, string>> = { '1': 'RSA-SHA1', '2': 'RSA-SHA256' };

/** What is signed, in this order: each name and its value on a line of its own; a message without a subject has no line of it. */
const NOTIFICATION = ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'];
const CONFIRMATION = ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'];

/** SNS waits 15 seconds for an answer, and a confirmation is asked for after this (src/http/sources.ts). */
const FETCH_MS = 4_000;
/** A certificate is about 2 KB. */
const PEM_MAX = 32 * 1024;
/** Each region has one certificate, and another for a while when it is renewed. */
const KEPT_MAX = 50;

/** Certificates by their address, for each way out that they came by: an address never gets another certificate. */
const certificates = new WeakMap<Fetch, Map<string, Promise<X509Certificate>>>();

/**
 * Why this message is not signed by whom the certificate at `address` belongs to; undefined where it is. That `address` is
 * of SNS is for the caller to say. Rejects where the certificate cannot be had.
 */
export async function refuseUnlessSigned(
  message: Readonly<Record<string, unknown>>,
  address: string,
  { now, fetch }: { now: Date; fetch: Fetch },
): Promise<string | undefined> {
  const { SignatureVersion: version, Signature: signature } = message;
  const algorithm = typeof version === 'string' && Object.hasOwn(ALGORITHMS, version) ? ALGORITHMS[version] : undefined;
  if (algorithm === undefined) return 'the message says no SignatureVersion that is known: 1 or 2';
  if (typeof signature !== 'string' || signature === '') return 'the message is not signed';
  const { publicKey, validFromDate, validToDate } = await certificateAt(address, fetch);
  if (now < validFromDate || now > validToDate) return 'the certificate it is signed with is not in force';
  if (publicKey.asymmetricKeyType !== 'rsa') return 'the certificate it is signed with has no RSA key';
  const isSigned = verify(algorithm, Buffer.from(signed(message)), publicKey, Buffer.from(signature, 'base64'));
  return isSigned ? undefined : 'the signature does not fit the message';
}

const signed = (message: Readonly<Record<string, unknown>>): string =>
  (message.Type === 'Notification' ? NOTIFICATION : CONFIRMATION)
    .flatMap((name) => (typeof message[name] === 'string' ? [`${name}\n${message[name]}\n`] : []))
    .join('');

/** Fetched once; where it could not be had, the next message asks again. */
function certificateAt(address: string, fetch: Fetch): Promise<X509Certificate> {
  const kept = certificates.get(fetch) ?? new Map<string, Promise<X509Certificate>>();
  certificates.set(fetch, kept);
  const known = kept.get(address);
  if (known) return known;
  const asked = fetchCertificate(address, fetch).catch((error: unknown) => {
    kept.delete(address);
    throw error;
  });
  kept.set(address, asked);
  const [oldest] = kept.keys();
  if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest);
  return asked;
}

async function fetchCertificate(address: string, fetch: Fetch): Promise<X509Certificate> {
  const answer = await fetch(address, { redirect: 'manual', signal: AbortSignal.timeout(FETCH_MS) });
  if (answer.status !== 200) {
    await answer.body?.cancel();
    throw new Error(`the certificate's address answers ${answer.status}`);
  }
  const pem = await answer.text();
  if (pem.length > PEM_MAX) throw new Error(`the certificate is longer than ${PEM_MAX} characters`);
  return new X509Certificate(pem);
}
