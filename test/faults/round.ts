/** One round: a plan is sent to a system while its faults happen; then calm, and the promises are checked. */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createApiClient } from '../support/api-client.ts';
import { until } from '../support/until.ts';
import { type Evidence, readEvidence } from './evidence.ts';
import { violations } from './invariants.ts';
import { readJournal } from './journal.ts';
import { type Plan, planOf, type TimedFault } from './plan.ts';
import type { HitLine, ReceiverInput } from './receiver.ts';
import type { Said, SenderInput } from './sender.ts';
import type { System } from './system.ts';

export interface Round {
  seed: number;
  violations: string[];
  /** The steps that a failpoint was reached at. */
  failedAt: string[];
  /** The plan's faults in words. */
  struckBy: string[];
  /** 202s and accepted acknowledgements. */
  accepted: number;
  hits: number;
  /** From the end of the faults until nothing was left to do. */
  calm_ms: number;
  output: string;
}

/** Nothing is unfinished so long after the faults have stopped. */
const CALM_MS = 60_000;
/** Whoever starts again what has ended takes a moment to see it; meanwhile everything that a fault strikes has ended. */
const SUPERVISOR_MS = 100;
/** The sender is answered at last; a round is stuck otherwise. */
const SENT_MS = 90_000;

const program = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const endOf = (child: ChildProcess): Promise<void> => new Promise((resolve) => child.once('exit', () => resolve()));

export async function runRound(seed: number, build: (receiver: string) => Promise<System>): Promise<Round> {
  const dir = mkdtempSync(join(tmpdir(), `tocsin-round-${seed}-`));
  const journals = { said: join(dir, 'said'), hits: join(dir, 'hits') };
  const receiver = fork(program('./receiver.ts'));
  receiver.send({ journal: journals.hits, seed } satisfies ReceiverInput);
  const address = await new Promise<string>((resolve) => receiver.once('message', (url) => resolve(String(url))));
  const system = await build(address);
  const plan = planOf(seed, system.blows);
  let sender: ChildProcess | undefined;
  try {
    const { calm_ms } = await underFire(plan, system, (input) => {
      sender = fork(program('./sender.ts'));
      sender.send({ ...input, journal: journals.said } satisfies SenderInput);
      return endOf(sender);
    });
    const ledger = await system.autopsy();
    const evidence: Evidence = {
      said: readJournal<Said>(journals.said),
      hits: readJournal<HitLine>(journals.hits),
      ledger: await readEvidence(ledger).finally(() => ledger.close()),
    };
    const output = system.output();
    return {
      seed,
      violations: violations(evidence),
      failedAt: [...output.matchAll(/failpoint (\S+)/g)].map(([, step = '']) => step),
      struckBy: plan.faults.map(({ kind, ...fault }) => `${kind} ${Object.values(fault).join(' ')}`),
      accepted: evidence.said.length,
      hits: evidence.hits.length,
      calm_ms,
      output,
    };
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}; it wrote:\n${system.output()}`, {
      cause: error,
    });
  } finally {
    sender?.kill('SIGKILL');
    receiver.kill('SIGKILL');
    await system.remove();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function underFire(
  plan: Plan,
  system: System,
  send: (input: Omit<SenderInput, 'journal'>) => Promise<void>,
): Promise<{ calm_ms: number }> {
  const failpoints = plan.faults.flatMap((fault) =>
    fault.kind === 'failpoint' ? [`${fault.step}:${fault.nth}:kill`] : [],
  );
  const timed = plan.faults.filter((fault): fault is TimedFault => fault.kind !== 'failpoint');
  await system.begin(failpoints);

  let over = false;
  let failure: unknown;
  // Whatever ends is started again, as whoever runs it would.
  const watching = (async () => {
    while (!over) {
      await Promise.race([
        system.ended(),
        until('the end of the round', () => over || undefined, SENT_MS + 2 * CALM_MS),
      ]);
      await pause(SUPERVISOR_MS);
      if (!over) await system.begin(failpoints);
    }
  })().catch((error: unknown) => {
    failure = error;
  });
  const isStuck = (): void => {
    if (failure) throw failure;
  };

  let since = performance.now();
  try {
    let isSent = false;
    void send({ urls: system.urls, key: system.key, plan }).then(() => {
      isSent = true;
    });
    await Promise.all(timed.map((fault) => strike(system, fault)));
    await until(
      'every request to be answered',
      () => {
        isStuck();
        return isSent || undefined;
      },
      SENT_MS,
    );
    since = performance.now();
    await until(
      'calm: no row, incident or delivery left to see to',
      async () => {
        isStuck();
        const asked = system.urls.map((url) =>
          createApiClient(url, system.key).taken<Record<string, number>>('GET', '/v1/stats'),
        );
        const [stats] = await Promise.all(asked);
        return stats?.waiting === 0 && stats.open === 0 && stats.sending === 0 ? true : undefined;
      },
      CALM_MS,
    ).catch(() => undefined); // What is left then is a violation, and named as one.
  } finally {
    over = true;
    await watching; // Nothing is started any more, also where the round has failed and what it runs on is removed.
  }
  isStuck(); // What could not be started again has left things undone, and is no broken promise.
  return { calm_ms: performance.now() - since };
}

async function strike(system: System, fault: TimedFault): Promise<void> {
  await pause(fault.at_ms);
  switch (fault.kind) {
    case 'kill':
      for (const part of fault.parts) system.signal(part, 'SIGKILL');
      return;
    case 'terminate':
      return system.signal(fault.part, 'SIGTERM');
    case 'pause':
      system.signal(fault.part, 'SIGSTOP');
      await pause(fault.for_ms);
      return system.signal(fault.part, 'SIGCONT');
    case 'cut':
    case 'silence':
      system.line(fault.line).set(fault.kind === 'cut' ? 'cut' : 'silent');
      await pause(fault.for_ms);
      return system.line(fault.line).set('pass');
    case 'lose-temporal':
      return system.loseTemporal();
    default:
      fault satisfies never;
  }
}
