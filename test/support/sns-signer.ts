/** Signs messages as Amazon SNS does, with a key and a certificate that are made on the spot. */
import 'reflect-metadata'; // @peculiar/x509 asks for it.
import { createSign, KeyObject } from 'node:crypto';
import { X509CertificateGenerator } from '@peculiar/x509';

export interface SnsSigner {
  /** The certificate. */
  pem: string;
  /** The message as SNS would send it: said to be signed by whom its SigningCertURL names, in version 1 unless another is asked for. */
  sign<Message extends object>(message: Message, version?: '1' | '2'): Message & { Signature: string };
  /** A way out on which every address of a certificate of SNS gives this one, and nothing else is there. */
  fetch: typeof globalThis.fetch;
}

const DAY_MS = 86_400_000;
const RSA = { name: 'RSASSA-PKCS1-v1_5', publicExponent: new Uint8Array([1, 0, 1]), modulusLength: 2_048 };

/** In force since before the oldest sample, and for as long as the clocks of the tests may go ahead. */
export async function createSnsSigner({
  from = new Date('2018-01-01'),
  until = new Date(Date.now() + 9 * DAY_MS),
} = {}): Promise<SnsSigner> {
  const keys = await crypto.subtle.generateKey({ ...RSA, hash: 'SHA-256' }, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: 'CN=sns.amazonaws.com',
    notBefore: from,
    notAfter: until,
    signingAlgorithm: { ...RSA, hash: 'SHA-256' },
    keys,
  });
  const pem = certificate.toString('pem');
  const key = KeyObject.from(keys.privateKey);
  return {
    pem,
    sign(message, version = '1') {
      const values = message as Record<string, unknown>;
      const isNotice = values.Type === 'Notification';
      const text = ['Message', 'MessageId', isNotice ? 'Subject' : 'SubscribeURL', 'Timestamp']
        .concat(isNotice ? [] : ['Token'], ['TopicArn', 'Type'])
        .filter((name) => typeof values[name] === 'string')
        .map((name) => `${name}\n${values[name]}\n`)
        .join('');
      const Signature = createSign(version === '1' ? 'sha1' : 'sha256')
        .update(text)
        .sign(key, 'base64');
      return { ...message, SignatureVersion: version, Signature };
    },
    fetch: async (target) => {
      const { hostname, pathname } = new URL(String(target));
      if (!hostname.startsWith('sns.') || !pathname.endsWith('.pem')) throw new Error(`nothing is at ${hostname}`);
      return new Response(pem);
    },
  };
}
