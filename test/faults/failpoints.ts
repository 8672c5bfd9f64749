/**
 * What makes a build a test build: `node --import` of this file, and `FAILPOINT=<step>:<nth>:<action>[,…]` fails at the nth
 * time that a step of the one way through is announced. Actions: `kill` (SIGKILL to this process), `kill-<part>` (to another:
 * `FAILPOINT_PIDS=<part>=<file>[,…]` names the files that hold the pids, as of now), `stop` (SIGSTOP), `stall-<ms>` (the
 * thread does nothing else for so long).
 */
import { subscribe } from 'node:diagnostics_channel';
import { readFileSync, writeSync } from 'node:fs';
import { STEP_CHANNEL } from '../../src/ledger/steps.ts';
import { commandOf } from '../../src/temporal/process.ts';

interface Failpoint {
  step: string;
  left: number;
  action: string;
}

const failpoints = listed(process.env.FAILPOINT).map((text): Failpoint => {
  const [step = '', nth = '1', action = 'kill'] = text.split(':');
  return { step, left: Number(nth), action };
});
const pidFiles = new Map(
  listed(process.env.FAILPOINT_PIDS).map((text) => text.split('=') as [part: string, file: string]),
);

const STDERR = 2;

if (failpoints.length > 0) {
  subscribe(STEP_CHANNEL, (step) => {
    for (const failpoint of failpoints) if (failpoint.step === step && --failpoint.left === 0) act(failpoint);
  });
}

function act(failpoint: Failpoint): void {
  const { step, action } = failpoint;
  const part = action.startsWith('kill-') ? action.slice('kill-'.length) : undefined;
  const other = part === undefined ? undefined : pidOf(part);
  if (part !== undefined && other === undefined) {
    failpoint.left = 1; // It is down already: it is killed when this step is reached again.
    return;
  }
  // Whoever counts which steps were failed at reads this; a write that is done before the signal.
  writeSync(STDERR, `failpoint ${step} ${action}\n`);
  if (other !== undefined) process.kill(other, 'SIGKILL');
  else if (action === 'kill') process.kill(process.pid, 'SIGKILL');
  else if (action === 'stop') process.kill(process.pid, 'SIGSTOP');
  else if (action.startsWith('stall-')) {
    const until = performance.now() + Number(action.slice('stall-'.length));
    while (performance.now() < until); // On purpose: nothing else runs on this thread.
  } else throw new Error(`no such action: ${action}`);
}

/** Where it runs; a pid that somebody else has got meanwhile is nobody's. */
function pidOf(part: string): number | undefined {
  const file = pidFiles.get(part);
  if (file === undefined) throw new Error(`where is the pid of ${part}?`);
  try {
    const pid = Number(/\d+/.exec(readFileSync(file, 'utf8'))?.[0]);
    return commandOf(pid).includes(part) ? pid : undefined;
  } catch {
    return undefined;
  }
}

function listed(text = ''): string[] {
  return text.split(',').filter(Boolean);
}
