/** The key that signs the audit's heads: ed25519 (RFC 8032). It lives outside the ledger, whose writers must not have it. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import type { Signed } from './link.ts';

export interface AuditKey {
  /** 32 bytes in hex. */
  publicKey: string;
  /** The same value with who signed it, and the signature. */
  signed<Value extends Signed>(value: Value, message: (value: Value) => string): Value;
}

/** The key in a PEM text (PKCS #8), as `openssl genpkey -algorithm ed25519` writes it. Throws where it is none. */
export function auditKey(pem: string): AuditKey {
  const key = ed25519(() => createPrivateKey(pem));
  const publicKey = hexOf(createPublicKey(key));
  return {
    publicKey,
    signed: (value, message) => ({
      ...value,
      key: publicKey,
      signature: sign(null, Buffer.from(message(value)), key).toString('hex'),
    }),
  };
}

/** A new one, as PEM. */
export const newAuditKey = (): string =>
  generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

/** A public key, given as 64 hex digits or as PEM, in hex. Throws where it is none. */
export const publicKeyIn = (text: string): string =>
  /^[0-9a-f]{64}$/i.test(text.trim()) ? text.trim().toLowerCase() : hexOf(ed25519(() => createPublicKey(text)));

/** Whether the value was signed by the key that it names. */
export function isSignedByItsKey<Value extends Signed>(value: Value, message: (value: Value) => string): boolean {
  const { key, signature } = value;
  if (!key || !signature) return false;
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(key, 'hex').toString('base64url') };
  try {
    const publicKey = createPublicKey({ key: jwk, format: 'jwk' });
    return verify(null, Buffer.from(message(value)), publicKey, Buffer.from(signature, 'hex'));
  } catch {
    return false; // No point of the curve, or no hex: nobody's key.
  }
}

const hexOf = (key: KeyObject): string =>
  Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url').toString('hex');

function ed25519(read: () => KeyObject): KeyObject {
  let key: KeyObject | undefined;
  try {
    key = read();
  } catch {
    // What the library says of a key may show parts of it.
  }
  if (key?.asymmetricKeyType !== 'ed25519')
    throw new Error('is not an ed25519 key in PEM (openssl genpkey -algorithm ed25519)');
  return key;
}
