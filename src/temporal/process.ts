/** What the operating system knows of another process: whether it runs, since when, with which command line. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

const POLL_MS = 50;
/** `ps` reads a table in memory. */
const PS_LIMIT_MS = 5_000;

/** True while the process does anything; one that has ended and was not yet collected by its parent does not count. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // It runs, under another user.
  }
  return stateOf(pid) !== 'Z';
}

/** A text that two processes with the same pid do not share; empty where it cannot be found out. */
export function startOf(pid: number): string {
  if (process.platform === 'linux') return statFields(pid)[19] ?? '';
  return ps(pid, 'lstart=');
}

/** Program and arguments, separated by spaces; empty where it cannot be found out. */
export function commandOf(pid: number): string {
  if (process.platform !== 'linux') return ps(pid, 'command=');
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}

/** SIGTERM, after `limitMs` SIGKILL; resolves when the process is gone. */
export async function endProcess(pid: number, limitMs: number): Promise<void> {
  signalTo(pid, 'SIGTERM');
  const killAt = performance.now() + limitMs;
  let killed = false;
  while (isRunning(pid)) {
    if (!killed && performance.now() > killAt) {
      signalTo(pid, 'SIGKILL');
      killed = true;
    }
    await wait(POLL_MS);
  }
}

function signalTo(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

const stateOf = (pid: number): string =>
  process.platform === 'linux' ? (statFields(pid)[0] ?? '') : ps(pid, 'state=').slice(0, 1);

/** The fields of /proc/<pid>/stat from the third on (proc(5)): state is the first here, the start time the twentieth. */
function statFields(pid: number): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' '); // The name before it may itself hold spaces and brackets.
  } catch {
    return [];
  }
}

function ps(pid: number, column: string): string {
  try {
    return execFileSync('ps', ['-o', column, '-p', `${pid}`], {
      encoding: 'utf8',
      timeout: PS_LIMIT_MS,
      stdio: 'pipe',
    }).trim();
  } catch {
    return '';
  }
}
