/**
 * schemathesis against the API and the document that it gives of itself: no 5xx, every answer as described, wrong data and missing
 * keys refused. `node test/security/schemathesis.ts` installs it where it is missing and runs it; what follows goes to `st run`.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startApi } from '../http/harness.ts';

/** https://pypi.org/project/schemathesis/ */
const VERSION = '4.32.5';
const CONFIG = fileURLToPath(new URL('./schemathesis.toml', import.meta.url));
/** The same requests each time. */
const SEED = '20261121';
/** A run that takes longer than this has come to a stand. */
const LIMIT_MS = 240_000;

/** The program, in an environment of its own beside what else Tocsin fetches; made where it is missing. */
function installed(): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const dir = join(cache, 'tocsin', `schemathesis-${VERSION}`);
  const program = join(dir, 'bin', 'st');
  if (existsSync(program)) return program;
  mkdirSync(dir, { recursive: true });
  try {
    execFileSync('python3', ['-m', 'venv', '--clear', dir], { stdio: 'inherit' });
    execFileSync(join(dir, 'bin', 'pip'), ['install', '--quiet', `schemathesis==${VERSION}`], { stdio: 'inherit' });
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    throw new Error(
      'schemathesis cannot be installed: it takes Python 3.10 with venv (Debian: python3-venv) and PyPI',
      {
        cause: error,
      },
    );
  }
  return program;
}

const program = installed();
const plenty = { per_second: 1_000_000, burst: 1_000_000 };
const api = await startApi({ limits: { key: plenty, attempts: plenty } });
const incident = await api.incident('something to look at');
await api.ledger.query(
  `insert into deliveries (key, incident, target, channel, reason, status, scheduled_at, ended_at) values ('k', $1, 'terminal', 'stdout', 'group_wait', 'dead', now(), now())`,
  [incident],
);
// The key that it asks with is in GET /v1/keys as well: revoked, it would make all that follows a 401.
await api.ledger.query(`create function stays() returns trigger language plpgsql as 'begin return null; end'`);
await api.ledger.query(
  `create trigger stays before update of revoked_at on keys for each row when (old.name = 'admin key') execute function stays()`,
);
// Nobody carries what is sent here: a test of an integration would wait its ten seconds for an outcome, each time.
api.ledger.onWake(() => {
  const outcome = `update sends set signalled_at = now(), ended_at = now(), outcome = '{"delivered":true}' where ended_at is null`;
  api.ledger.query(outcome).catch((error: unknown) => console.error(error));
});
const args = ['--config-file', CONFIG, 'run', `${api.url}/openapi.json`, '--seed', SEED, ...process.argv.slice(2)];
const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, TOCSIN_KEY: api.keys.admin } });
const late = setTimeout(() => {
  process.stdout.write(`\nschemathesis is ended: it was not done after ${LIMIT_MS / 1_000} s\n`);
  child.kill('SIGTERM');
}, LIMIT_MS);
const code = await new Promise<number>((resolve) => child.once('close', (ended) => resolve(ended ?? 1)));
clearTimeout(late);
for (const line of api.logged.filter((one) => /"level":"(?:error|fatal)"/.test(one))) process.stdout.write(line);
await api.stop();
process.exitCode = code;
