import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { takeStateDir } from '../../src/main/state-dir.ts';

let dir: string;
const children: ChildProcess[] = [];
beforeEach(async () => {
  dir = join(await mkdtemp(join(tmpdir(), 'tocsin-state-')), 'state');
});
afterEach(async () => {
  for (const child of children.splice(0))
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  await rm(join(dir, '..'), { recursive: true, force: true });
});

/** A process that takes the folder, says so, and then waits for a line that tells it to let go. */
const SCRIPT = `
  const { takeStateDir } = await import(process.argv[1]);
  const state = takeStateDir(process.argv[2]);
  console.log('taken ' + state.cleanStart);
  process.stdin.once('data', () => { state.release(); console.log('released'); });
`;

async function owner(): Promise<{ child: ChildProcess; said: string; next: () => Promise<string> }> {
  const module = new URL('../../src/main/state-dir.ts', import.meta.url).href;
  const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT, module, dir], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  children.push(child);
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => String((await lines.next()).value);
  return { child, said: await next(), next };
}

describe('the state folder', () => {
  it('is made readable by its owner alone', async () => {
    const state = takeStateDir(dir);
    expect((await stat(dir)).mode & 0o777).toBe(0o700);
    expect(state).toMatchObject({ dir, cleanStart: true });
    state.release();
  });

  it('is refused to a second process, naming the first', async () => {
    const { child, said } = await owner();
    expect(said).toBe('taken true');
    expect(() => takeStateDir(dir)).toThrow(`is in use by process ${child.pid}`);
    expect(() => takeStateDir(dir)).toThrow('TOCSIN_STATE_DIR');
  });

  it('is refused a second time inside one process', () => {
    const state = takeStateDir(dir);
    expect(() => takeStateDir(dir)).toThrow(`is in use by process ${process.pid}`);
    state.release();
    state.release();
    takeStateDir(dir).release();
  });

  it('is free after kill -9, and the next owner is told that the end was not clean', async () => {
    const { child } = await owner();
    child.kill('SIGKILL');
    await once(child, 'exit');
    const state = takeStateDir(dir);
    expect(state.cleanStart).toBe(false);
    state.release();
    const again = takeStateDir(dir);
    expect(again.cleanStart).toBe(true);
    again.release();
  });

  it('is let go by an owner whose ledger has failed, and the next is told that the end was not clean', () => {
    takeStateDir(dir).release(false);
    const state = takeStateDir(dir);
    expect(state.cleanStart).toBe(false);
    state.release();
  });

  it('goes from one process to the next by release', async () => {
    const { child, next } = await owner();
    child.stdin?.write('go\n');
    expect(await next()).toBe('released');
    const state = takeStateDir(dir);
    expect(state.cleanStart).toBe(true);
    state.release();
  });

  it('goes to exactly one of several that come at once', async () => {
    const results = await Promise.all([1, 2, 3, 4].map(async () => (await owner().catch(() => undefined))?.said ?? ''));
    expect(results.filter((said) => said.startsWith('taken'))).toHaveLength(1);
  });

  it('that cannot be made is named', () => {
    expect(() => takeStateDir('/dev/null/state')).toThrow('/dev/null/state');
  });
});
