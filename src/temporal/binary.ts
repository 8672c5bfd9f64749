/** Where the `temporal` program comes from: found, kept from last time, downloaded, or built; and in what order. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export interface TemporalBinary {
  path: string;
  /** As the program says it: `1.5.1`, or `0.0.0-DEV (Server 1.29.1)` where it was built with `go install`. */
  version: string;
}

type Env = Record<string, string | undefined>;

/** The oldest CLI whose dev server has what we ask of it (design, section 5), and the server inside that release. */
const OLDEST_CLI: readonly [number, number] = [1, 3];
const OLDEST_SERVER: readonly [number, number] = [1, 27];
/** The newest release that `go install` accepts: later ones have `replace` lines in their go.mod. */
const GO_PACKAGE = 'github.com/temporalio/cli/cmd/temporal@v1.5.1';
/** `temporal --version` answers in well under a second; a program that does not is not one we can use. */
const VERSION_LIMIT_MS = 15_000;
/** The archive is some 60 MB; behind a closed network the attempt must not hold up the next way. */
const DOWNLOAD_LIMIT_MS = 60_000;
/** Measured: 2.5 minutes on 2 cores; a slow machine with a slow line gets ten times that. */
const BUILD_LIMIT_MS = 25 * 60_000;
const PROGRESS_EVERY_MS = 10_000;
/** A work folder older than this was left behind by a process that died in the middle. */
const ABANDONED_AFTER_MS = 60 * 60_000;

const PROGRAM = process.platform === 'win32' ? 'temporal.exe' : 'temporal';

/**
 * A `temporal` program that can run the dev server, in this order: on PATH, in the cache folder, the SDK's own
 * download, `go install`. `say` gets one line per step, and one every 10 s while a step takes its time.
 * @param input.cacheDir where programs are kept; `$XDG_CACHE_HOME/tocsin` or `~/.cache/tocsin` unless given.
 * @throws Error with the three ways out when none of them led anywhere.
 */
export async function findTemporal(input: {
  env: Env;
  say: (line: string) => void;
  cacheDir?: string;
}): Promise<TemporalBinary> {
  const { env, say } = input;
  const cacheDir = input.cacheDir ?? cacheFolder(env);
  const cached = join(cacheDir, PROGRAM);
  const tried: string[] = [];
  const pass = (why: string): void => {
    tried.push(why);
    say(why);
  };

  for (const path of await onPath(PROGRAM, env)) {
    const found = await usable(path, env);
    if ('version' in found) return found;
    pass(`${path}: ${found.problem}`);
  }
  if (await isExecutable(cached)) {
    const found = await usable(cached, env);
    if ('version' in found) return found;
    pass(`${cached}: ${found.problem}`);
  }
  for (const [what, make] of [
    ['download', download],
    ['build', build],
  ] as const) {
    const made = await intoCache({ cacheDir, cached, env, say, what, make });
    if ('version' in made) return made;
    pass(made.problem);
  }
  throw new Error(
    [
      'No usable `temporal` program (the workflow engine) was found, and none could be fetched:',
      ...tried.map((line) => `  - ${line}`),
      'Any one of these helps:',
      `  1. install the Temporal CLI ${OLDEST_CLI.join('.')} or newer (https://docs.temporal.io/cli) on PATH, or put the program at ${cached};`,
      '  2. install Go (https://go.dev/dl), and start again: the program is then built once;',
      '  3. set TEMPORAL_ADDRESS to a Temporal server that already runs, for example TEMPORAL_ADDRESS=127.0.0.1:7233.',
    ].join('\n'),
  );
}

/** `$XDG_CACHE_HOME/tocsin`, or `~/.cache/tocsin` where that is not set (XDG Base Directory Specification 0.8). */
export function cacheFolder(env: Env): string {
  return join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'tocsin');
}

type Way = (at: { dir: string; env: Env; say: (line: string) => void }) => Promise<string>;

/**
 * Makes the program in a folder of its own and then renames it to its place: two processes that do this at once
 * do the work twice, and neither ever sees half a program.
 */
async function intoCache(input: {
  cacheDir: string;
  cached: string;
  env: Env;
  say: (line: string) => void;
  what: string;
  make: Way;
}): Promise<TemporalBinary | { problem: string }> {
  const { cacheDir, cached, env, say, what, make } = input;
  let dir: string | undefined;
  try {
    await mkdir(cacheDir, { recursive: true, mode: 0o700 });
    await removeAbandoned(cacheDir);
    dir = await mkdtemp(join(cacheDir, 'work-'));
    const made = await make({ dir, env, say });
    const checked = await usable(made, env);
    if ('problem' in checked) return { problem: `${what}: the program was made, but ${checked.problem}` };
    await rename(made, cached);
    say(`temporal is ready: ${cached}`);
    return { path: cached, version: checked.version };
  } catch (error) {
    return { problem: `${what}: ${error instanceof Error ? error.message : String(error)}` };
  } finally {
    if (dir) await rm(dir, { recursive: true, force: true });
  }
}

async function removeAbandoned(cacheDir: string): Promise<void> {
  for (const name of await readdir(cacheDir)) {
    if (!name.startsWith('work-')) continue;
    const path = join(cacheDir, name);
    const age = await stat(path).then(
      (entry) => Date.now() - entry.mtimeMs,
      () => 0, // Gone already: its owner has finished.
    );
    if (age > ABANDONED_AFTER_MS) await rm(path, { recursive: true, force: true });
  }
}

/**
 * The SDK's own download, run in a process of its own: the native code offers neither a deadline nor a way to stop it.
 */
const download: Way = async ({ dir, env, say }) => {
  say(`no temporal program yet: trying the Temporal SDK's own download (at most ${DOWNLOAD_LIMIT_MS / 1000} s)`);
  const script = fileURLToPath(new URL('./sdk-download.ts', import.meta.url));
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, dir], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines = await finished(child, DOWNLOAD_LIMIT_MS, (seconds) => say(`still downloading temporal: ${seconds} s`));
  const made = lines.stdout.findLast((line) => line.startsWith('program '))?.slice('program '.length);
  if (lines.code === 0 && made) return made;
  throw new Error(
    lines.code === 'late'
      ? `the SDK's download was not there after ${DOWNLOAD_LIMIT_MS / 1000} s`
      : `the SDK's download failed: ${lines.stderr.at(-1) ?? `exit ${lines.code}`}`,
  );
};

const build: Way = async ({ dir, env, say }) => {
  const [go] = await onPath(process.platform === 'win32' ? 'go.exe' : 'go', env);
  if (go === undefined) throw new Error('Go is not installed, so temporal cannot be built');
  say(`building temporal with ${go} (once; 2 to 3 minutes on 2 cores): go install ${GO_PACKAGE}`);
  const child = spawn(go, ['install', '-v', GO_PACKAGE], {
    cwd: dir, // Outside of any Go module of the folder we were started in.
    env: { ...env, GOBIN: dir },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const seen = { modules: 0, packages: 0 };
  const lines = await finished(
    child,
    BUILD_LIMIT_MS,
    (seconds) =>
      say(`still building temporal: ${seconds} s, ${seen.modules} modules fetched, ${seen.packages} packages compiled`),
    (line) => {
      if (line.startsWith('go: downloading ')) seen.modules += 1;
      else if (/^[\w.~-]+(\/[\w.~-]+)*$/.test(line)) seen.packages += 1;
    },
  );
  if (lines.code === 0) return join(dir, PROGRAM);
  const why = lines.stderr.slice(-3).join(' / ');
  throw new Error(
    lines.code === 'late'
      ? `go install was not done after ${BUILD_LIMIT_MS / 60_000} minutes`
      : `go install failed: ${why || `exit ${lines.code}`}`,
  );
};

/** Waits for a child's end, keeps its last lines, tells the seconds every 10 s, and ends it at the limit. */
async function finished(
  child: ChildProcess,
  limitMs: number,
  tick: (seconds: number) => void,
  onLine: (line: string) => void = () => {},
): Promise<{ code: number | string; stdout: string[]; stderr: string[] }> {
  const kept = { stdout: [] as string[], stderr: [] as string[] };
  for (const name of ['stdout', 'stderr'] as const) {
    const stream = child[name];
    if (!stream) continue;
    createInterface({ input: stream }).on('line', (line) => {
      if (line.trim() === '') return;
      onLine(line);
      kept[name].push(line.slice(0, 500));
      if (kept[name].length > 20) kept[name].shift();
    });
  }
  const startedAt = performance.now();
  const progress = setInterval(() => tick(Math.round((performance.now() - startedAt) / 1000)), PROGRESS_EVERY_MS);
  let late = false;
  const limit = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, limitMs);
  const stopWithUs = (): void => {
    child.kill('SIGKILL');
  };
  process.once('exit', stopWithUs); // Ctrl-C during the wait must not leave a compiler behind.
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve({ code: late ? 'late' : (code ?? signal ?? 'unknown'), ...kept }));
    });
  } finally {
    clearInterval(progress);
    clearTimeout(limit);
    process.removeListener('exit', stopWithUs);
  }
}

/** Asks the program for its version; a problem in words where it is too old or does not answer. */
async function usable(path: string, env: Env): Promise<TemporalBinary | { problem: string }> {
  let output: string;
  try {
    ({ stdout: output } = await promisify(execFile)(path, ['--version'], { env, timeout: VERSION_LIMIT_MS }));
  } catch (error) {
    const { code, signal } = error as { code?: unknown; signal?: unknown };
    return { problem: `it does not answer \`--version\` (${code ?? signal ?? 'it failed'})` };
  }
  const version = readVersion(output);
  if (version === undefined)
    return { problem: `it is no Temporal CLI: \`--version\` says "${output.trim().slice(0, 80)}"` };
  if (!version.recent)
    return { problem: `version ${version.text} is too old: ${OLDEST_CLI.join('.')} or newer is needed` };
  return { path, version: version.text };
}

/**
 * Reads `temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)`. What `go install` builds calls itself 0.0.0-DEV, so there
 * the server's version decides.
 */
export function readVersion(output: string): { text: string; recent: boolean } | undefined {
  const cli = /temporal version (\d+)\.(\d+)\.(\d+\S*)/.exec(output);
  if (!cli) return undefined;
  const [, major, minor, rest] = cli;
  const text = `${major}.${minor}.${rest}`;
  if (text !== '0.0.0-DEV') return { text, recent: isAtLeast(Number(major), Number(minor), OLDEST_CLI) };
  const server = /Server (\d+)\.(\d+)\.[\w.-]+/.exec(output);
  if (!server) return { text, recent: false };
  return { text: `${text} (${server[0]})`, recent: isAtLeast(Number(server[1]), Number(server[2]), OLDEST_SERVER) };
}

const isAtLeast = (major: number, minor: number, [oldMajor, oldMinor]: readonly [number, number]): boolean =>
  major > oldMajor || (major === oldMajor && minor >= oldMinor);

/** Every executable of that name on PATH, in PATH's order. */
async function onPath(program: string, env: Env): Promise<string[]> {
  const found: string[] = [];
  for (const dir of (env.PATH ?? '').split(delimiter)) {
    if (dir === '') continue;
    const path = join(dir, program);
    if (await isExecutable(path)) found.push(path);
  }
  return found;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
