/**
 * What makes a build a test build: `node --import` of this file, and `FAILPOINT=<step>:<nth>:<action>[,…]` fails at the nth
 * time that a step of the one way through is announced. Actions: `kill` (SIGKILL), `stop` (SIGSTOP), `stall-<ms>` (the
 * thread does nothing else for so long).
 */
import { subscribe } from 'node:diagnostics_channel';
import { writeSync } from 'node:fs';
import { STEP_CHANNEL } from '../../src/ledger/steps.ts';

interface Failpoint {
  step: string;
  left: number;
  action: string;
}

const failpoints = (process.env.FAILPOINT ?? '')
  .split(',')
  .filter(Boolean)
  .map((text): Failpoint => {
    const [step = '', nth = '1', action = 'kill'] = text.split(':');
    return { step, left: Number(nth), action };
  });

const STDERR = 2;

if (failpoints.length > 0) {
  subscribe(STEP_CHANNEL, (step) => {
    for (const failpoint of failpoints) if (failpoint.step === step && --failpoint.left === 0) act(failpoint);
  });
}

function act({ step, action }: Failpoint): void {
  // Whoever counts which steps were failed at reads this; a write that is done before the signal.
  writeSync(STDERR, `failpoint ${step} ${action}\n`);
  if (action === 'kill') process.kill(process.pid, 'SIGKILL');
  else if (action === 'stop') process.kill(process.pid, 'SIGSTOP');
  else if (action.startsWith('stall-')) {
    const until = performance.now() + Number(action.slice('stall-'.length));
    while (performance.now() < until); // On purpose: nothing else runs on this thread.
  } else throw new Error(`no such action: ${action}`);
}
