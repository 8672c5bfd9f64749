/** A PostgreSQL server of our own for tests: Debian's programs, a folder that goes with it, a port that stays over its restarts. */
import { execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from './ports.ts';
import { until } from './until.ts';

export interface PostgresServer {
  /** Of its first database, which is empty; its owner may create others. */
  url: string;
  port: number;
  /** The postmaster's, as long as it runs. */
  pid(): number | undefined;
  /** Holds the postmaster's pid in its first line. */
  pidFile: string;
  /** Starts it again after it was ended. Resolves when it answers. */
  begin(): Promise<void>;
  /** Immediate shutdown, and nothing is left. */
  remove(): Promise<void>;
}

/** Where Debian keeps the programs of each version. */
const DEBIAN = '/usr/lib/postgresql';
const USER = 'postgres';
/** A start after kill -9 replays what was written. */
const START_MS = 60_000;

/** The folder of the newest installed version's programs; undefined where there is none. */
export function postgresPrograms(): string | undefined {
  if (!existsSync(DEBIAN)) return undefined;
  const versions = readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a));
  return versions.map((version) => join(DEBIAN, version, 'bin')).find((bin) => existsSync(join(bin, 'postgres')));
}

/** Makes a database cluster and starts its server. `settings` over PostgreSQL's own. Throws where PostgreSQL is not installed. */
export async function startPostgres(settings: Readonly<Record<string, string>> = {}): Promise<PostgresServer> {
  const bin = postgresPrograms();
  if (!bin) throw new Error(`PostgreSQL is not installed below ${DEBIAN} (Debian: apt-get install postgresql)`);
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-postgres-'));
  const as = asPostgres(dir);
  const data = join(dir, 'data');
  execFileSync(join(bin, 'initdb'), ['-D', data, '-U', USER, '--auth=trust', '--encoding=UTF8', '--no-sync'], {
    ...as,
    stdio: 'pipe',
  });
  const port = await freePort();
  const all = { listen_addresses: '127.0.0.1', unix_socket_directories: dir, max_connections: '200', ...settings };
  const args = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const url = `postgres://${USER}@127.0.0.1:${port}/postgres`;
  let pid: number | undefined;
  let ended = Promise.resolve();

  const begin = async (): Promise<void> => {
    await ended;
    // What was killed without its children leaves them; PostgreSQL starts again when the last has seen it.
    const server = spawn(join(bin, 'postgres'), ['-D', data, '-p', `${port}`, ...args], { ...as, stdio: 'ignore' });
    pid = server.pid;
    let over = false;
    ended = new Promise((resolve) =>
      server.once('exit', () => {
        over = true;
        pid = undefined;
        resolve();
      }),
    );
    const answered = await until('PostgreSQL to answer', async () => (over ? 'ended' : await answers(url)), START_MS);
    if (answered === 'ended') {
      // A child of the killed server still held the memory.
      rmSync(join(data, 'postmaster.pid'), { force: true });
      return begin();
    }
  };
  await begin();
  return {
    url,
    port,
    pid: () => pid,
    pidFile: join(data, 'postmaster.pid'),
    begin,
    async remove() {
      if (pid !== undefined) {
        process.kill(pid, 'SIGCONT');
        process.kill(pid, 'SIGQUIT');
      }
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/**
 * A new, empty database on the server at `url`, whose role may create some. With `owner`, a new role of this name that is no
 * superuser owns it. Returns its address, as that role.
 */
export async function createDatabase(url: string, { owner }: { owner?: string } = {}): Promise<string> {
  const name = `tocsin_test_${randomUUID().replaceAll('-', '')}`;
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  if (owner) await admin.query(`create role ${owner} login`);
  await admin.query(`create database ${name} ${owner ? `owner ${owner}` : ''}`);
  await admin.end();
  const address = new URL(url);
  address.pathname = `/${name}`;
  if (owner) address.username = owner;
  return address.href;
}

/** A new role that may log in to the database at `url` and owns nothing. Returns its address, as that role. */
export async function createRole(url: string, role: string): Promise<string> {
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  await admin.query(`create role ${role} login`);
  await admin.end();
  const address = new URL(url);
  address.username = role;
  return address.href;
}

async function answers(url: string): Promise<'answers' | undefined> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 1_000 });
  try {
    await client.connect();
    await client.query('select 1');
    return 'answers';
  } catch {
    return undefined;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** PostgreSQL refuses to run as root: there it runs as the user that Debian's package made. */
function asPostgres(dir: string): Pick<SpawnOptions, 'uid' | 'gid' | 'cwd'> {
  if (process.getuid?.() !== 0) return { cwd: dir };
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${USER}:`));
  const [, , uid, gid] = line?.split(':').map(Number) ?? [];
  if (uid === undefined || gid === undefined) throw new Error(`there is no user ${USER} to run PostgreSQL as`);
  chownSync(dir, uid, gid);
  return { uid, gid, cwd: dir };
}
