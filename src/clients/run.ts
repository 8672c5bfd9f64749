/** `tocsin run`: a command whose start, progress and end are told to Tocsin; its exit code is passed through. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { parseArgs } from 'node:util';
import type { Chapters, End, Facts } from './chapters.ts';
import { beginJob, type JobOptions, sayOnStderr as say } from './job.ts';
import { createLines, factsInLine } from './output.ts';

const RUN_USAGE = `tocsin run --name NAME [options] -- COMMAND [ARGUMENT …]

  --label NAME=VALUE     a label of every event, for routes (may be repeated)
  --metadata NAME=VALUE  shown with the start (may be repeated)
  --environment NAME     else TOCSIN_ENVIRONMENT or ENVIRONMENT
  --service NAME         else the job's name
  --stream               tells the last lines of the output, at most every 10 seconds
  --progress             hears lines such as  tocsin: {"processed": 10, "total": 100}  or  tocsin: 10/100
                         in the output; in stderr they are always heard

  Needs TOCSIN_URL and TOCSIN_API_KEY (or TOCSIN_API_KEY_FILE). Without them, or with nobody to hear it, the command runs
  all the same; what could not be sent within TOCSIN_WAIT seconds (5) waits in TOCSIN_SPOOL
  for the next run. Exits as the command does, with 128 + n where signal n ended it.
`;

/** What a shell says of a command that cannot be run, and of wrong arguments (bash(1), EXIT STATUS). */
const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;
const MISUSED = 2;
const SIGNALLED = 128;
/** Lines of stderr that are told with a failure. */
const LAST_LINES = 20;
/** What asks a job to stop: passed on to it, and its end is then a cancelled one. */
const ASKS_TO_STOP = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

interface Asked extends JobOptions {
  name: string;
  metadata: Facts;
  stream: boolean;
  progress: boolean;
  command: [string, ...string[]];
}

/** Runs the command of these arguments (those after `run`); resolves with the exit code that is to be passed on. */
export async function runCommand(args: string[]): Promise<number> {
  if (args[0] === '--help' || args[0] === '-h') {
    process.stdout.write(RUN_USAGE);
    return 0;
  }
  const asked = askedIn(args);
  if (typeof asked === 'string') {
    say(`${asked}\n\n${RUN_USAGE}`);
    return MISUSED;
  }
  const { chapters, finish } = beginJob(asked.name, asked.metadata, asked);
  const { end, code } = await runToEnd(asked, chapters);
  chapters.end(end);
  await finish();
  return code;
}

function askedIn(args: string[]): Asked | string {
  const dashes = args.indexOf('--');
  const [name, ...rest] = dashes < 0 ? [] : args.slice(dashes + 1);
  if (name === undefined) return 'no command: it stands after --';
  try {
    const { values } = parseArgs({
      args: args.slice(0, dashes),
      options: {
        name: { type: 'string' },
        label: { type: 'string', multiple: true, default: [] },
        metadata: { type: 'string', multiple: true, default: [] },
        environment: { type: 'string' },
        service: { type: 'string' },
        stream: { type: 'boolean', default: false },
        progress: { type: 'boolean', default: false },
      },
    });
    if (!values.name?.trim()) return 'no name: --name says which job it is';
    return {
      name: values.name,
      labels: pairs(values.label, '--label'),
      metadata: pairs(values.metadata, '--metadata'),
      stream: values.stream,
      progress: values.progress,
      ...(values.environment && { environment: values.environment }),
      ...(values.service && { service: values.service }),
      command: [name, ...rest],
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const pairs = (given: string[], option: string): Record<string, string> =>
  Object.fromEntries(
    given.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new Error(`${option} ${pair}: it is written NAME=VALUE`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );

async function runToEnd(
  { command: [file, ...args], stream, progress }: Asked,
  chapters: Chapters,
): Promise<{ end: End; code: number }> {
  // Listening before there is a command: it may be asked to stop as soon as it begins.
  const stopped = passSignals(() => child);
  const child = spawn(file, args, { stdio: ['inherit', stream || progress ? 'pipe' : 'inherit', 'pipe'] });
  const lastWords: string[] = [];
  const hear = (line: string): void => {
    const facts = factsInLine(line);
    if (facts) chapters.progress(facts);
    else if (stream && line.trim() !== '') chapters.progress({}, [line]);
  };
  copy(child, 'stdout', hear);
  copy(child, 'stderr', (line) => {
    hear(line);
    if (factsInLine(line) === undefined) lastWords.push(line);
    if (lastWords.length > LAST_LINES) lastWords.shift();
  });
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    await outputEnd(child);
    const number = signal === null ? (code ?? 1) : SIGNALLED + constants.signals[signal];
    return { end: endOf(code, signal, stopped.by, lastWords), code: number };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? `${file}: there is no such command` : `${file} cannot be run (${code})`;
    say(why);
    return { end: { how: 'failed', error: why }, code: code === 'ENOENT' ? NOT_FOUND : NOT_EXECUTABLE };
  } finally {
    stopped.forget();
  }
}

function endOf(code: number | null, signal: NodeJS.Signals | null, by: string | undefined, lastWords: string[]): End {
  const isStopped = by !== undefined || ASKS_TO_STOP.some((one) => one === signal);
  if (code === 0 && !isStopped) return { how: 'completed' };
  const why = signal !== null ? `ended by ${signal}` : `exit code ${code}`;
  const error = [...lastWords, why].join('\n');
  return { how: isStopped ? 'cancelled' : 'failed', error, ...(code !== null && { exit_code: code }) };
}

/** Copies a stream of the command to ours, as it comes, and gives `hear` its lines. */
function copy(child: ChildProcess, name: 'stdout' | 'stderr', hear: (line: string) => void): void {
  const from = child[name];
  if (!from) return;
  const lines = createLines(hear);
  from.on('data', lines.take).on('end', lines.end);
  from.pipe(process[name], { end: false });
  // Nobody reads our output any more: the command learns it as it would without us.
  process[name].on('error', () => from.destroy());
}

/** What the command has left running may hold its output open: it is not waited for once it is silent so long. */
const SILENT_MS = 2_000;

/** Resolves when all output is copied, or nothing has come for a while although there was room for it. */
async function outputEnd({ stdout, stderr }: ChildProcess): Promise<void> {
  const open = [stdout, stderr].filter((stream) => stream !== null && !stream.closed);
  const ends = Promise.all(open.map((stream) => new Promise((resolve) => stream?.once('close', resolve))));
  const silent = new Promise<void>((resolve) => {
    const giveUp = (): void => {
      if (process.stdout.writableNeedDrain || process.stderr.writableNeedDrain) timer.refresh();
      else resolve();
    };
    const timer = setTimeout(giveUp, SILENT_MS);
    for (const stream of open) stream?.on('data', () => timer.refresh());
    ends.then(() => clearTimeout(timer));
  });
  await Promise.race([ends, silent]);
}

/** Passes on what asks us to stop. Ctrl-C in a terminal reaches the command by itself: it is of the same group. */
function passSignals(child: () => ChildProcess): { by: string | undefined; forget(): void } {
  const heard = (signal: NodeJS.Signals): void => {
    stopped.by = signal;
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child().kill(signal);
  };
  for (const signal of ASKS_TO_STOP) process.on(signal, heard);
  const stopped = {
    by: undefined as string | undefined,
    forget(): void {
      for (const signal of ASKS_TO_STOP) process.off(signal, heard);
    },
  };
  return stopped;
}
