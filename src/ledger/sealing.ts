/** Secrets at rest: sealed with AES-256-GCM under keys that the ledger never has, each box bound to the row it is in. */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

export interface Sealer {
  /** The text in a box that opens only with the same `bound`, under the first key. */
  seal(text: string, bound: string): string;
  /** What was sealed; undefined where no key opens it, or it was sealed for another row, or changed since. */
  open(box: string, bound: string): string | undefined;
  /** Whether the box is sealed under the first key already. */
  isNewest(box: string): boolean;
}

/** AES-256. */
const KEY_BYTES = 32;
/** NIST SP 800-38D section 8.2.2: 96 bits at random are safe for 2^32 boxes of one key. */
const NONCE_BYTES = 12;
/** The whole tag: NIST SP 800-38D section 5.2.1.2 allows shorter ones, which are easier to forge. */
const TAG_BYTES = 16;
/** What a key is called in the boxes that it seals: the beginning of a digest, from which no key can be found. */
const ID_CHARS = 8;
const FORMAT = 'v1';
const CIPHER = 'aes-256-gcm';

interface Key {
  id: string;
  bytes: Buffer;
}

/** A new key as a line of the list. */
export const newSealingKey = (): string => randomBytes(KEY_BYTES).toString('base64');

/** The keys as they stand in the list; for the log's scrubber. */
export const sealingKeysIn = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');

/**
 * Seals and opens with this list: the first key seals, all of them open. One key a line, 32 bytes in base64.
 * Throws where an entry is no key, without repeating it.
 */
export function createSealer(text: string): Sealer {
  const keys = sealingKeysIn(text).map(keyIn);
  const [first] = keys;
  if (!first) throw new Error('has no key: `tocsin secrets new-key` prints one');
  return {
    seal(secret, bound) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, first.bytes, nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(boundBytes(first.id, bound));
      const sealed = Buffer.concat([nonce, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()]);
      return `${FORMAT}.${first.id}.${sealed.toString('base64url')}`;
    },
    open(box, bound) {
      const [format, id, body = '', ...more] = box.split('.');
      const sealed = Buffer.from(body, 'base64url');
      if (format !== FORMAT || more.length > 0 || sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
      for (const key of keys.filter((one) => one.id === id)) {
        const decipher = createDecipheriv(CIPHER, key.bytes, sealed.subarray(0, NONCE_BYTES), {
          authTagLength: TAG_BYTES,
        });
        decipher.setAAD(boundBytes(key.id, bound));
        decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
        try {
          const opened = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES));
          return Buffer.concat([opened, decipher.final()]).toString('utf8');
        } catch {
          // Another row's, or changed: GCM says no more than that.
        }
      }
      return undefined;
    },
    isNewest: (box) => box.startsWith(`${FORMAT}.${first.id}.`),
  };
}

/** The format and the key's name are bound as well: nobody can pass a box off as another kind. */
const boundBytes = (id: string, bound: string): Buffer => Buffer.from(`${FORMAT}.${id}.${bound}`, 'utf8');

function keyIn(word: string, at: number): Key {
  const bytes = Buffer.from(word, 'base64');
  // Node reads past whatever is no base64: only what it would write itself is a key that was copied whole.
  if (bytes.length !== KEY_BYTES || bytes.toString('base64').replace(/=+$/, '') !== word.replace(/=+$/, ''))
    throw new Error(
      `has no key in place ${at + 1}: a key is ${KEY_BYTES} bytes in base64 (\`tocsin secrets new-key\`)`,
    );
  return {
    id: createHash('sha256').update('tocsin sealing key').update(bytes).digest('hex').slice(0, ID_CHARS),
    bytes,
  };
}
