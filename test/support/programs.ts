/** Programs of Prometheus' house, as Debian installs them: found on PATH, started on a port that the system chooses, ended. */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';

const STARTED_MS = 30_000;
const ENDED_MS = 10_000;

const onPath = (...names: string[]): string | undefined =>
  names
    .flatMap((name) => (process.env.PATH ?? '').split(delimiter).map((dir) => join(dir, name)))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });

// Debian calls it prometheus-alertmanager, everybody else alertmanager.
const found = {
  prometheus: onPath('prometheus'),
  alertmanager: onPath('prometheus-alertmanager', 'alertmanager'),
  amtool: onPath('amtool'),
  'alertmanager-irc-relay': onPath('alertmanager-irc-relay'),
};
export type Program = keyof typeof found;

/** Whether tests with them are run: where they all are, or where their absence is a failure. */
export const havePrograms = (...programs: Program[]): boolean =>
  Boolean(process.env.TOCSIN_REQUIRE_PROMETHEUS) || programs.every((program) => found[program] !== undefined);

/** The path of one. Throws where it is not on PATH. */
export function pathOf(program: Program): string {
  const path = found[program];
  if (path !== undefined) return path;
  throw new Error(
    `${program} is not on PATH: \`apt-get install prometheus prometheus-alertmanager alertmanager-irc-relay\`, or unset TOCSIN_REQUIRE_PROMETHEUS`,
  );
}

export interface Programs {
  /** Starts one and gives the address that it says it listens on, such as `127.0.0.1:39123`. */
  start(program: Program, args: string[]): Promise<string>;
  /** A file with this content; an object is written as JSON, which is YAML. Gives its path. */
  file(name: string, content: object | string): string;
  folder(name: string): string;
  /** Ends all that were started and removes what was written. */
  end(): Promise<void>;
}

export function createPrograms(): Programs {
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-programs-'));
  const running: (() => Promise<void>)[] = [];
  return {
    start(program, args) {
      const path = pathOf(program);
      const child = spawn(path, args, { stdio: ['ignore', 'ignore', 'pipe'] });
      const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      running.push(() => stop(child, exited));
      return listening(path, child);
    },
    file(name, content) {
      const path = join(dir, name);
      writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
      return path;
    },
    folder(name) {
      const path = join(dir, name);
      mkdirSync(path);
      return path;
    },
    async end() {
      for (const stopOne of running.splice(0).reverse()) await stopOne();
      rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

const listening = (program: string, child: ChildProcess): Promise<string> =>
  new Promise((resolve, reject) => {
    const said: string[] = [];
    const fail = (why: string): void => {
      clearTimeout(late);
      reject(new Error(`${program} ${why}:\n${said.join('\n')}`));
    };
    const late = setTimeout(() => fail(`has not listened within ${STARTED_MS} ms`), STARTED_MS);
    child.once('error', ({ message }) => fail(message));
    child.once('exit', (code) => fail(`ended with ${code}`));
    if (!child.stderr) return fail('has no stderr');
    createInterface({ input: child.stderr }).on('line', (line) => {
      said.push(line);
      const [, address] = /msg="Listening on" address=(127\.0\.0\.1:\d+)/.exec(line) ?? [];
      if (address === undefined) return;
      clearTimeout(late);
      resolve(address);
    });
  });

async function stop(child: ChildProcess, exited: Promise<void>): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), ENDED_MS);
  await exited;
  clearTimeout(late);
}
