/** Both wrappers of a command, `tocsin run` and `python3 tocsin.py run`: what one promises, the other keeps. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLines, factsInLine } from '../../src/clients/output.ts';
import { hasPython, isPythonHere } from '../support/python.ts';
import { type Door, KEY, startDoor } from './door.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let door: Door;
beforeEach(async () => {
  door = await startDoor();
});
afterEach(() => door.close());

it.runIf(process.env.TOCSIN_REQUIRE_PYTHON === '1')('a Python is here that the client is for', () => {
  expect(isPythonHere, 'Debian: apt-get install python3 (3.8 or newer)').toBe(true);
});

const WRAPPERS: { name: string; command: [string, ...string[]]; there: boolean }[] = [
  { name: 'tocsin run', command: [process.execPath, `${ROOT}src/main/tocsin.ts`, 'run'], there: true },
  { name: 'tocsin.py run', command: ['python3', `${ROOT}src/clients/tocsin.py`, 'run'], there: hasPython },
];

describe.each(WRAPPERS)('$name', ({ command: [file, ...first], there }) => {
  const begin = (args: string[], env: Record<string, string> = door.env): ChildProcess =>
    spawn(file, [...first, ...args], {
      env: { PATH: process.env.PATH ?? '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const ended = async (child: ChildProcess) => {
    let [stdout, stderr] = ['', ''];
    child.stdout?.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr?.on('data', (chunk) => {
      stderr += chunk;
    });
    const [code] = await once(child, 'close');
    return { code: code as number | null, stdout, stderr };
  };
  const run = (args: string[], env?: Record<string, string>) => ended(begin(args, env));
  const types = (): string[] => door.told.map(({ type }) => type);

  it.runIf(there)('tells start, progress and end, copies the output and passes a good end through', async () => {
    const script =
      'echo "tocsin: 40/100"; echo out; echo err >&2; echo "tocsin: {\\"failed\\": 5, \\"model\\": \\"small\\"}" >&2';
    const options = ['--name', 'train', '--label', 'team=ml', '--metadata', 'batch=32', '--environment', 'staging'];
    const { code, stdout, stderr } = await run([...options, '--progress', '--', 'sh', '-c', script]);
    expect([code, stdout]).toEqual([0, 'tocsin: 40/100\nout\n']);
    expect(stderr).toBe('err\ntocsin: {"failed": 5, "model": "small"}\n');
    expect([types()[0], types().at(-1)]).toEqual(['job_started', 'job_completed']);
    expect(door.told[0]).toMatchObject({
      labels: { job: 'train', environment: 'staging', team: 'ml' },
      context: { metadata: { batch: '32' } },
    });
    expect(door.told.at(-1)).toMatchObject({
      status: 'resolved',
      context: { counts: { processed: 40, total: 100, failed: 5 }, stats: { model: 'small' } },
    });
  });

  it.runIf(there)('passes an exit code through, and tells the last lines of stderr', async () => {
    const { code, stderr } = await run(['--name', 'train', '--', 'sh', '-c', 'echo "disk is full" >&2; exit 7']);
    expect([code, stderr]).toEqual([7, 'disk is full\n']);
    expect(door.told.at(-1)).toMatchObject({
      type: 'job_failed',
      severity: 'error',
      body: 'disk is full\nexit code 7',
      context: { exit_code: 7, error: 'disk is full\nexit code 7' },
    });
  });

  it.runIf(there)('says of a command that is killed, or is none, what a shell says', async () => {
    expect((await run(['--name', 'killed', '--', 'sh', '-c', 'kill -9 $$'])).code).toBe(137);
    expect((await run(['--name', 'none', '--', '/nowhere/to/be/found'])).code).toBe(127);
    expect((await run(['--name', 'plain', '--', '/etc/passwd'])).code).toBe(126);
    expect(types().filter((type) => type === 'job_failed')).toHaveLength(3);
    expect(door.told.find(({ service, type }) => service === 'killed' && type === 'job_failed')?.body).toBe(
      'ended by SIGKILL',
    );
  });

  it.runIf(there)('passes SIGTERM on, and tells a cancelled job', async () => {
    const child = begin(['--name', 'train', '--', 'sh', '-c', 'echo ready; exec sleep 60']);
    const whole = ended(child);
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    child.kill('SIGTERM');
    expect((await whole).code).toBe(143);
    expect(door.told.at(-1)).toMatchObject({ type: 'job_cancelled', severity: 'warning', body: 'ended by SIGTERM' });
  });

  it.runIf(there)('streams the output into the story', async () => {
    await run(['--name', 'train', '--stream', '--', 'sh', '-c', 'echo "epoch 1"; echo "epoch 2"; echo "epoch 3" >&2']);
    const shown = door.told.flatMap(({ type, body }) => (type === 'job_progress' ? String(body).split('\n') : []));
    expect(shown.sort()).toEqual(['epoch 1', 'epoch 2', 'epoch 3']);
  });

  it.runIf(there)('streams no more than the last lines, and says no more of a quick command than twice', async () => {
    await run(['--name', 'train', '--stream', '--', 'seq', '101', '160']);
    const last = Array.from({ length: 20 }, (_, at) => 141 + at).join('\n');
    expect(door.told.flatMap(({ type, body }) => (type === 'job_progress' ? [body] : []))).toEqual(['101', last]);
  });

  it.runIf(there)('runs a job whose Tocsin is away: the next run of either wrapper tells of it, in order', async () => {
    door.state = 'away';
    const first = await run(['--name', 'early', '--', 'sh', '-c', 'exit 3'], { ...door.env, TOCSIN_WAIT: '0.3' });
    expect(first.code).toBe(3);
    expect(first.stderr).toMatch(/2 events wait in the spool; the next run sends them/);
    expect(first.stderr).not.toContain(KEY);
    door.state = 'open';
    const other = WRAPPERS.find(({ command, there: isThere }) => command[0] !== file && isThere) ?? WRAPPERS[0];
    const [again = '', ...more] = other?.command ?? [];
    const second = spawn(again, [...more, '--name', 'late', '--', 'true'], {
      env: { PATH: process.env.PATH ?? '', ...door.env },
      stdio: 'ignore',
    });
    await once(second, 'close');
    expect(door.told.map(({ service, type }) => [service, type])).toEqual([
      ['early', 'job_started'],
      ['early', 'job_failed'],
      ['late', 'job_started'],
      ['late', 'job_completed'],
    ]);
  });

  it.runIf(there)('runs a job that is told to nobody, and refuses one without a name or a command', async () => {
    const { code, stderr } = await run(['--name', 'x', '--', 'sh', '-c', 'exit 4'], {});
    expect([code, stderr]).toEqual([4, expect.stringMatching(/TOCSIN_URL is not set/)]);
    expect((await run(['--', 'true'])).code).toBe(2);
    expect((await run(['--name', 'x', '--'])).code).toBe(2);
    expect((await run(['--name', 'x', '--label', 'novalue', '--', 'true'])).code).toBe(2);
    expect(door.told).toEqual([]);
  });
});

const PROGRAMS: { name: string; command: [string, ...string[]]; there: boolean }[] = [
  {
    name: 'runJob',
    command: [
      process.execPath,
      '--input-type=module',
      '-e',
      `import { runJob } from '${ROOT}src/clients/job.ts';
       await runJob('train', () => new Promise((resolve) => { console.log('ready'); setTimeout(resolve, 60_000); }));`,
    ],
    there: true,
  },
  {
    name: 'run_with_slack',
    command: [
      'python3',
      '-B',
      '-c',
      `import sys, time
sys.path.insert(0, '${ROOT}src/clients')
from tocsin import run_with_slack
run_with_slack('train', lambda: (print('ready', flush=True), time.sleep(60)))`,
    ],
    there: hasPython,
  },
];

describe.each(PROGRAMS)('a program with $name', ({ command: [file, ...args], there }) => {
  it.runIf(there)('that is asked to stop says so, and ends as it would have without it', async () => {
    const env = { PATH: process.env.PATH ?? '', ...door.env };
    const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([null, 'SIGTERM']);
    expect(door.told.map(({ type }) => type)).toEqual(['job_started', 'job_cancelled']);
    expect(door.told.at(-1)?.body).toBe('ended by SIGTERM');
  });
});

describe('the Python client', () => {
  /** What this code prints, as JSON; without what is installed beside Python's own library (python3 -I -S). */
  const printed = async (code: string): Promise<unknown> => {
    const args = ['-I', '-S', '-B', '-c', code, `${ROOT}src/clients`];
    const child = spawn('python3', args, {
      env: { PATH: process.env.PATH ?? '', ...door.env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let stdout = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    expect(await once(child, 'close')).toEqual([0, null]);
    return JSON.parse(stdout);
  };

  it.runIf(hasPython)('imports nothing but the standard library, wherever in its file', async () => {
    const { all, foreign } = (await printed(`
import ast, importlib.util, json, sys
names = set()
for node in ast.walk(ast.parse(open(sys.argv[1] + "/tocsin.py", encoding="utf-8").read())):
    if isinstance(node, ast.Import):
        names |= {one.name for one in node.names}
    if isinstance(node, ast.ImportFrom):
        names.add("." * node.level + (node.module or ""))
    if isinstance(node, (ast.Name, ast.Attribute)) and getattr(node, "id", getattr(node, "attr", "")) in ("__import__", "import_module"):
        names.add(".by a name that nobody can read here")
foreign = [name for name in names if name.startswith(".") or importlib.util.find_spec(name.split(".")[0]) is None]
print(json.dumps({"all": sorted(names), "foreign": foreign}))
`)) as { all: string[]; foreign: string[] };
    expect(foreign).toEqual([]);
    expect(all).toContain('urllib.request');
  });

  it.runIf(hasPython)('tells the last 20 lines at most every 10 seconds', async () => {
    const told = await printed(`
import json, sys
sys.path.insert(0, sys.argv[1])
import tocsin
now, told, timers = [0.0], [], []
class Timer:
    def __init__(self, wait, tell):
        self.due, self.tell = now[0] + wait, tell
        timers.append(self)
    def start(self): pass
    def cancel(self): pass
class Post:
    def __init__(self, *settings): pass
    def tell(self, event): told.append([now[0], event["type"], event.get("body", "")])
    def finish(self): pass
tocsin._Post, tocsin.threading.Timer, tocsin.time.monotonic = Post, Timer, lambda: now[0]
job = tocsin.Job("train")
for line in range(1, 26):
    now[0] = float(line)
    while timers and timers[0].due <= now[0]:
        timers.pop(0).tell()
    for part in range(10):
        job.progress(line=f"{line}.{part}")
print(json.dumps(told))
`);
    const lines = (...seconds: number[]) =>
      seconds.flatMap((second) => Array.from({ length: 10 }, (_, part) => `${second}.${part}`)).join('\n');
    expect(told).toEqual([
      [0, 'job_started', ''],
      [1, 'job_progress', '1.0'],
      [11, 'job_progress', lines(9, 10)],
      [21, 'job_progress', lines(19, 20)],
    ]);
  });
});

describe('the spool of the Python client', () => {
  it.runIf(hasPython)('that is full lets go of the oldest progress first, and says so', async () => {
    door.state = 'away';
    const code = `import sys
sys.path.insert(0, '${ROOT}src/clients')
import tocsin
tocsin.SPOOL_BYTES_MAX, tocsin.PROGRESS_EVERY_S = 2500, 0
def job():
    for n in range(20):
        tocsin.current_job().progress(processed=n)
tocsin.run_with_slack('train', job)`;
    const env = { PATH: process.env.PATH ?? '', ...door.env, TOCSIN_WAIT: '0' };
    const child = spawn('python3', ['-B', '-c', code], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(stderr).toMatch(/the spool is full: dropped 1 events that waited longest/);
    door.state = 'open';
    await once(
      spawn('python3', ['-B', `${ROOT}src/clients/tocsin.py`, 'run', '--name', 'x', '--', 'true'], {
        env: { ...env, TOCSIN_WAIT: '20' },
      }),
      'close',
    );
    const story = door.told.filter(({ service }) => service === 'train').map(({ type, context }) => [type, context]);
    expect([story[0]?.[0], story.at(-1)?.[0]]).toEqual(['job_started', 'job_completed']);
    expect(story.length).toBeLessThan(10);
    expect(story.at(-2)).toMatchObject(['job_progress', { counts: { processed: 19 } }]);
  });
});

describe('a line', () => {
  it.each([
    ['tocsin: {"processed": 10, "total": 100}', { processed: 10, total: 100 }],
    ['  tocsin: 10/100 ', { processed: 10, total: 100 }],
    ['tocsin: [1]', undefined],
    ['tocsin: {broken', undefined],
    ['tocsin is away: 1/2', undefined],
    ['10/100', undefined],
  ])('%j says %j', (line, facts) => {
    expect(factsInLine(line)).toEqual(facts);
  });

  it('is whole, whatever the chunks are, and what a bar has overwritten is gone', () => {
    const lines: string[] = [];
    const { take, end } = createLines((line) => lines.push(line));
    const bytes = Buffer.from('één\r\n10%\r20%\r30%\nlast');
    for (const byte of bytes) take(Buffer.from([byte]));
    end();
    expect(lines).toEqual(['één', '30%', 'last']);
  });

  it('that never ends fills no memory', () => {
    const lines: string[] = [];
    const { take, end } = createLines((line) => lines.push(line));
    for (let at = 0; at < 100; at++) take(Buffer.alloc(10_000, 'x'));
    end();
    expect(lines.map(({ length }) => length)).toEqual([2_000]);
  });
});
