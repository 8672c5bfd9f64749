/** Messages to PGlite, written where they are read from: one after the other into the same bytes. */

export interface Messages {
  /** A prepared statement with its arguments as texts; null is NULL. */
  bind(statement: string, values: readonly (string | null)[]): void;
  /** Messages that are ready. */
  add(...ready: Uint8Array[]): void;
  /** What has been written; good until something is written again. */
  all(): Uint8Array;
  /** Begins anew. */
  clear(): void;
}

/** Most commits fit, so that they make no garbage; what a larger one needed is not kept for the next. */
const USUAL_BYTES = 1024 * 1024;
/** UTF-8 has at most three bytes for one unit of UTF-16 (RFC 3629). */
const BYTES_OF_UNIT = 3;
const INT16 = 2;
const INT32 = 4;
const NULL_LENGTH = -1;
const BIND = 'B'.charCodeAt(0);
/** Of a bind: its type and length, the portal's and the statement's end, and three counts of 16 bits. */
const BIND_BYTES = 1 + INT32 + 2 + 3 * INT16;

/**
 * In the format of https://www.postgresql.org/docs/current/protocol-message-formats.html. PGlite's own writer counts the bytes of a text in JavaScript,
 * grows by half, and copies the whole three times: a quarter megabyte of garbage for a commit of 50 KB.
 */
export function createMessages(): Messages {
  const usual = Buffer.allocUnsafeSlow(USUAL_BYTES);
  let bytes = usual;
  let at = 0;

  const room = (needed: number): void => {
    if (bytes.length - at >= needed) return;
    const larger = Buffer.allocUnsafeSlow(2 * bytes.length + needed);
    bytes.copy(larger, 0, 0, at);
    bytes = larger;
  };
  const int16 = (value: number): void => {
    at = bytes.writeInt16BE(value, at);
  };

  return {
    bind(statement, values) {
      room(BIND_BYTES + BYTES_OF_UNIT * statement.length);
      const from = at;
      bytes[at] = BIND;
      at += 1 + INT32;
      bytes[at++] = 0; // The portal without a name.
      at += bytes.write(statement, at, 'latin1');
      bytes[at++] = 0;
      int16(0); // Every argument is a text.
      int16(values.length);
      for (const value of values) {
        room(2 * INT32 + BYTES_OF_UNIT * (value?.length ?? 0));
        const length = value === null ? NULL_LENGTH : bytes.write(value, at + INT32, 'utf8');
        bytes.writeInt32BE(length, at);
        at += INT32 + Math.max(0, length);
      }
      int16(0); // Every column is to be one.
      bytes.writeInt32BE(at - from - 1, from + 1);
    },
    add(...ready) {
      for (const message of ready) {
        room(message.length);
        bytes.set(message, at);
        at += message.length;
      }
    },
    all: () => bytes.subarray(0, at),
    clear() {
      bytes = usual;
      at = 0;
    },
  };
}
