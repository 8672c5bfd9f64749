/** `tocsin audit verify` and `tocsin audit export`: the audit's chain held against itself, its signatures, and heads that were kept. */
import { closeSync, createReadStream, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { type Head, headsIn, headText } from '../ledger/chain/link.ts';
import { exportLedger, verifyLedger, verifyLines } from '../ledger/chain/read.ts';
import { publicKeyIn } from '../ledger/chain/signing.ts';
import type { Known, Report } from '../ledger/chain/verify.ts';
import { auditKeyFor } from './audit-key.ts';
import type { Env } from './foundation.ts';
import { stateDirOf, withLedger } from './own-ledger.ts';

export interface AuditOptions {
  /** An export to verify instead of the ledger. */
  file?: string | undefined;
  /** Heads that were kept: each a head, or a file (a log, a note) with any number of them. */
  head?: string[] | undefined;
  /** Public keys as 64 hex digits, PEM, or a file with one. */
  'public-key'?: string[] | undefined;
  /** Where an export goes; stdout without it. */
  write?: string | undefined;
}

/** Runs the command. Returns the exit code: 1 where the audit does not hold. Throws where it cannot be looked at. */
export async function auditCommand(
  what: string | undefined,
  options: AuditOptions,
  { env, say }: { env: Env; say: (line: string) => void },
): Promise<number> {
  if (what === 'verify') return verify(options, env, say);
  if (what === 'export') return exportTo(options.write, env, say);
  throw new Error('tocsin audit verify, or tocsin audit export');
}

async function verify(
  { file, head, ...options }: AuditOptions,
  env: Env,
  say: (line: string) => void,
): Promise<number> {
  const own = auditKeyFor(env, stateDirOf(env));
  const given = options['public-key']?.map(publicKeyFrom);
  const known: Known = { heads: (head ?? []).flatMap(headsFrom), keys: given ?? (own ? [own.publicKey] : []) };
  const report = file
    ? await verifyLines(createInterface({ input: createReadStream(file) }), known)
    : await withLedger(env, (ledger) => verifyLedger(ledger, known));
  return tell(report, say);
}

function tell({ problems, notes, rows, last, head }: Report, say: (line: string) => void): number {
  for (const problem of problems) say(`wrong: ${problem}`);
  for (const note of notes) say(`note: ${note}`);
  if (problems.length > 0) {
    say('the audit does not hold; the first line says where it begins');
    return 1;
  }
  say(`the audit holds: ${rows} rows, the last has number ${last}`);
  if (head) say(`its newest head, to be kept elsewhere: ${headText(head)}`);
  return 0;
}

async function exportTo(file: string | undefined, env: Env, say: (line: string) => void): Promise<number> {
  const key = auditKeyFor(env, stateDirOf(env));
  const out = file === undefined ? undefined : openSync(file, 'w', 0o600);
  const line = (text: string): void => {
    if (out === undefined) process.stdout.write(`${text}\n`);
    else writeSync(out, `${text}\n`);
  };
  const { first, last } = await withLedger(env, (ledger) => exportLedger(ledger, { key, now: new Date(), line }));
  if (out === undefined) return 0;
  closeSync(out);
  say(`${file} has the rows ${first} to ${last}, ${key ? `signed by ${key.publicKey}` : 'unsigned'}`);
  return 0;
}

const readOr = (text: string): string => (existsSync(text) ? readFileSync(text, 'utf8') : text);

/** A head that is none would let anything pass. */
function headsFrom(text: string): Head[] {
  const heads = headsIn(readOr(text));
  if (heads.length === 0) throw new Error(`--head ${text}: there is no head, and no file with one`);
  return heads;
}

function publicKeyFrom(text: string): string {
  try {
    return publicKeyIn(readOr(text));
  } catch {
    throw new Error(`--public-key ${text}: is neither 64 hex digits nor an ed25519 key in PEM, nor a file with one`);
  }
}
