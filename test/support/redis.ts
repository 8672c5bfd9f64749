/** Debian's redis-server as a process of a test, on a port of its own, every write on the disk before it is answered. */
import { execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@redis/client';
import { freePort } from './ports.ts';
import { until } from './until.ts';

const STARTED_MS = 20_000;

/** Whether there is a redis-server here (Debian: redis-server). */
export function hasRedis(): boolean {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
}

export interface Redis {
  /** With its password. */
  url: string;
  password: string;
  /** Kill -9; what it had answered is on the disk. */
  kill(): Promise<void>;
  /** Again, on the same port with the same data. */
  start(): Promise<void>;
  close(): Promise<void>;
}

export async function startRedis(): Promise<Redis> {
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-redis-'));
  const password = randomUUID();
  const url = `redis://:${password}@127.0.0.1:${port}`;
  let end = async (): Promise<void> => undefined;
  const start = async (): Promise<void> => {
    const settings = [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--dir',
      dir,
      '--save',
      '',
      '--requirepass',
      password,
    ];
    const durable = ['--appendonly', 'yes', '--appendfsync', 'always'];
    const child = spawn('redis-server', [...settings, ...durable], { stdio: 'ignore' });
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    end = async () => {
      child.kill('SIGKILL');
      await ended;
    };
    await until('redis-server to answer', () => answers(url), STARTED_MS);
  };
  await start();
  return {
    url,
    password,
    kill: () => end(),
    start,
    async close() {
      await end();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function answers(url: string): Promise<true | undefined> {
  const client = createClient({ url, socket: { reconnectStrategy: false } }).on('error', () => undefined);
  try {
    await client.connect();
    return (await client.ping()) === 'PONG' ? true : undefined;
  } catch {
    return undefined;
  } finally {
    client.destroy();
  }
}
