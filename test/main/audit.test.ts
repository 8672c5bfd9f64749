/** `tocsin audit`: verified in place, exported, verified again without a ledger; the exit code says whether it holds. */
import { execFile } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { audit } from '../../src/ledger/audit.ts';
import { headText } from '../../src/ledger/chain/link.ts';
import { sealAudit, writeHead } from '../../src/ledger/chain/seal.ts';
import { newAuditKey } from '../../src/ledger/chain/signing.ts';
import { type Ledger, openLedger } from '../../src/ledger/db.ts';
import { migrate } from '../../src/ledger/migrate.ts';
import { type AuditOptions, auditCommand } from '../../src/main/audit.ts';
import { auditKeyFor } from '../../src/main/audit-key.ts';
import { takeStateDir } from '../../src/main/state-dir.ts';
import { aroundTheGuards } from '../support/ledger.ts';

const folder = mkdtempSync(join(tmpdir(), 'tocsin-audit-'));
const dir = join(folder, 'state');
const env = { TOCSIN_STATE_DIR: dir };
let head: string;
let publicKey: string;

/** The embedded ledger, as whoever owns the folder opens it. */
async function opened(work: (ledger: Ledger) => Promise<unknown>): Promise<void> {
  const state = takeStateDir(dir);
  const ledger = await openLedger({ folder: join(dir, 'ledger') });
  await migrate(ledger);
  await work(ledger);
  await ledger.close();
  state.release();
}

async function run(what: string, options: AuditOptions = {}, more: Record<string, string> = {}) {
  const lines: string[] = [];
  const code = await auditCommand(what, options, { env: { ...env, ...more }, say: (line) => void lines.push(line) });
  return { code, lines, said: lines.join('\n') };
}

beforeAll(() =>
  opened(async (ledger) => {
    const key = auditKeyFor(env, dir, true);
    for (const object of ['a', 'b', 'c']) await audit(ledger, { by: 'ana', key: 'k1' }, 'key.make', object);
    await sealAudit(ledger);
    const written = await writeHead(ledger, { key, now: new Date(), ends: true });
    if (!written || !key) throw new Error('no head');
    head = headText(written);
    publicKey = key.publicKey;
  }),
);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the audit key', () => {
  it('is made once in the state folder, for its owner alone', () => {
    expect(statSync(join(dir, 'audit.key')).mode & 0o777).toBe(0o600);
    expect(auditKeyFor(env, dir, true)?.publicKey).toBe(publicKey);
  });

  it('of the environment goes before it, also as a file', () => {
    const file = join(folder, 'key.pem');
    writeFileSync(file, newAuditKey());
    const fromFile = auditKeyFor({ TOCSIN_AUDIT_KEY_FILE: file }, dir)?.publicKey;
    expect(fromFile).toBe(auditKeyFor({ TOCSIN_AUDIT_KEY: readFileSync(file, 'utf8') }, undefined)?.publicKey);
    expect(fromFile).not.toBe(publicKey);
  });

  it('that is none is refused without being shown', () => {
    expect(() => auditKeyFor({ TOCSIN_AUDIT_KEY: 'hunter2' }, undefined)).toThrow(
      /^TOCSIN_AUDIT_KEY is not an ed25519 key in PEM \(openssl/,
    );
  });

  it('is missing where nothing gives one', () => {
    expect(auditKeyFor({}, undefined)).toBeUndefined();
    expect(auditKeyFor({}, join(folder, 'elsewhere'))).toBeUndefined();
  });
});

describe('tocsin audit verify', () => {
  it('says that it holds, and the head to keep', async () => {
    expect(await run('verify')).toMatchObject({
      code: 0,
      lines: ['the audit holds: 3 rows, the last has number 3', `its newest head, to be kept elsewhere: ${head}`],
    });
  });

  it('takes a kept head as it is, or a log with any number of them; and the public key in every form', async () => {
    const log = join(folder, 'worker.log');
    writeFileSync(log, `{"msg":"begins"}\n{"head":"${head}"}\n`);
    const pem = join(folder, 'public.pem');
    const spki = createPublicKey(readFileSync(join(dir, 'audit.key'), 'utf8')).export({ type: 'spki', format: 'pem' });
    writeFileSync(pem, spki);
    for (const given of [publicKey, pem])
      expect(await run('verify', { head: [head, log], 'public-key': [given] })).toMatchObject({ code: 0 });
  });

  it('names what is no head, no key, and no ledger', async () => {
    await expect(run('verify', { head: ['nonsense'] })).rejects.toThrow('--head nonsense: there is no head');
    await expect(run('verify', { 'public-key': ['nonsense'] })).rejects.toThrow('--public-key nonsense: is neither');
    const nowhere = join(folder, 'nowhere');
    await expect(run('verify', {}, { TOCSIN_STATE_DIR: nowhere })).rejects.toThrow(`there is no ledger in ${nowhere}`);
    await expect(run('burn')).rejects.toThrow('tocsin audit verify, or tocsin audit export');
  });

  it('leaves a ledger alone that somebody has', async () => {
    const state = takeStateDir(dir);
    await expect(run('verify')).rejects.toThrow('is in use by process');
    state.release();
  });

  it('keeps the mark of an unclean end from being lost: the epoch is renewed', async () => {
    const epoch = async (): Promise<string> => {
      let value = '';
      await opened(async (ledger) => {
        const [row] = await ledger.query<{ value: string }>(`select value from meta where name = 'epoch'`);
        value = row?.value ?? '';
      });
      return value;
    };
    const before = await epoch();
    await run('verify');
    expect(await epoch()).toBe(before);
    writeFileSync(join(dir, 'running'), ''); // As a killed process leaves it.
    await run('verify');
    expect(await epoch()).not.toBe(before);
  });
});

describe('tocsin audit export', () => {
  it('writes a file that is verified without a ledger', async () => {
    const file = join(folder, 'export.jsonl');
    expect((await run('export', { write: file })).said).toBe(`${file} has the rows 1 to 3, signed by ${publicKey}`);
    const nowhere = { TOCSIN_STATE_DIR: join(folder, 'nowhere') };
    expect(await run('verify', { file, head: [head], 'public-key': [publicKey] }, nowhere)).toMatchObject({
      code: 0,
      lines: ['the audit holds: 3 rows, the last has number 3', expect.stringContaining(head)],
    });
    const changed = readFileSync(file, 'utf8').replace('"object":"b"', '"object":"x"');
    writeFileSync(file, changed);
    expect(await run('verify', { file }, nowhere)).toMatchObject({
      code: 1,
      lines: [
        expect.stringMatching(/^wrong: number 2: /),
        expect.stringMatching(/^note: no public key was given/),
        expect.stringMatching(/does not hold/),
      ],
    });
  });
});

describe('tocsin audit, as a command', () => {
  const cli = fileURLToPath(new URL('../../src/main/tocsin.ts', import.meta.url));
  const command = (...args: string[]) =>
    promisify(execFile)(process.execPath, [cli, 'audit', ...args], { env: { ...process.env, ...env }, cwd: folder });

  it('exports to its output, and ends with 1 where the audit does not hold', async () => {
    const { stdout } = await command('export');
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { kind: string }).kind),
    ).toEqual(['head', 'row', 'row', 'row', 'manifest']);
    expect((await command('verify', '--head', head)).stdout).toContain('the audit holds: 3 rows');
    await opened((ledger) => aroundTheGuards(ledger, (tx) => tx.query('delete from audit where seq = 2')));
    await expect(command('verify')).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^wrong: number 2: its row \(seq 2\) was deleted\n/),
    });
  });
});
