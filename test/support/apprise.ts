/** The real Apprise library behind a small server of our own, for tests that want to see what arrives. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** https://pypi.org/project/apprise/ (BSD-2-Clause) */
const VERSION = '2.2.0';
const SERVER = fileURLToPath(new URL('./apprise-server.py', import.meta.url));
const STARTED_MS = 30_000;
const PIP_MS = 110_000;

/** Why it cannot run here. */
export class NoApprise extends Error {
  override name = 'NoApprise';
}

/** Python in an environment of its own that has Apprise, beside what else Tocsin fetches; made where it is missing. */
function python(): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const dir = join(cache, 'tocsin', `apprise-${VERSION}`);
  const program = join(dir, 'bin', 'python');
  // pip writes the command last: where it is missing, somebody stopped half way.
  if (existsSync(join(dir, 'bin', 'apprise'))) return program;
  mkdirSync(dir, { recursive: true });
  try {
    execFileSync('python3', ['-m', 'venv', '--clear', dir], { stdio: 'pipe', timeout: PIP_MS });
    const wanted = ['install', '--quiet', '--retries', '1', '--timeout', '15', `apprise==${VERSION}`];
    execFileSync(join(dir, 'bin', 'pip'), wanted, { stdio: 'pipe', timeout: PIP_MS });
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    throw new NoApprise('Apprise cannot be installed: it takes Python 3.9 with venv (Debian: python3-venv) and PyPI', {
      cause: error,
    });
  }
  return program;
}

export interface RealApprise {
  /** For `api_url`. */
  url: string;
  /** The key of its configuration. */
  key: string;
  close(): Promise<void>;
}

/** `config`: Apprise's own text configuration, `tag,tag=url` on a line. Throws `NoApprise` where it cannot be had. */
export async function startApprise(config: string): Promise<RealApprise> {
  const program = python();
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-apprise-'));
  const file = join(folder, 'apprise.cfg');
  writeFileSync(file, config);
  const child = spawn(program, [SERVER, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const close = async () => {
    child.kill('SIGKILL');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };
  const port = await new Promise<string>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('the Apprise server did not start')), STARTED_MS);
    child.once('exit', () => reject(new Error('the Apprise server ended while it started')));
    createInterface(child.stdout).once('line', (line) => {
      clearTimeout(late);
      resolve(line);
    });
  }).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return { url: `http://127.0.0.1:${port}`, key: 'ops', close };
}
