/** One round: a plan is sent to a system while its faults happen; then calm, and the promises are checked. */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { NUDGE } from '../../workflows/contract.ts';
import { createApiClient } from '../support/api-client.ts';
import { until } from '../support/until.ts';
import { type Evidence, readEvidence } from './evidence.ts';
import { violations } from './invariants.ts';
import { readJournal } from './journal.ts';
import { type Failpoint, type Plan, planOf, type TimedFault } from './plan.ts';
import type { HitLine, ReceiverInput } from './receiver.ts';
import type { Said, SenderInput } from './sender.ts';
import type { Kind, System } from './system.ts';

export interface Round {
  seed: number;
  violations: string[];
  /** At which steps whom a failpoint killed: `claim.written kill-temporal`. */
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
/** Between two nudges. */
const NUDGE_MS = 300;
/** The sender is answered at last; a round is stuck otherwise. */
const SENT_MS = 90_000;

const program = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const endOf = (child: ChildProcess): Promise<void> => new Promise((resolve) => child.once('exit', () => resolve()));

export async function runRound(seed: number, kind: Kind): Promise<Round> {
  const dir = mkdtempSync(join(tmpdir(), `tocsin-round-${seed}-`));
  const journals = { said: join(dir, 'said'), hits: join(dir, 'hits') };
  const receiver = fork(program('./receiver.ts'));
  receiver.send({ journal: journals.hits, seed } satisfies ReceiverInput);
  const address = await new Promise<string>((resolve) => receiver.once('message', (url) => resolve(String(url))));
  const plan = planOf(seed, kind);
  const { events_max } = plan;
  const system = await kind.start({
    receiver: address,
    failpoints: failpointsOf(plan),
    ...(events_max === undefined ? {} : { events_max }),
  });
  let sender: ChildProcess | undefined;
  /** What the sender has begun to ask, the last at the end. */
  const said: string[] = [];
  try {
    const { calm_ms } = await underFire(plan, system, (input) => {
      sender = fork(program('./sender.ts'));
      sender.on('message', (request) => said.push(JSON.stringify(request)));
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
      failedAt: reachedIn(output),
      struckBy: plan.faults.map(({ kind, ...fault }) => `${kind} ${Object.values(fault).join(' ')}`),
      accepted: evidence.said.length,
      hits: evidence.hits.length,
      calm_ms,
      output,
    };
  } catch (error) {
    throw new Error(
      `seed ${seed}: ${error instanceof Error ? error.message : error}; the last it was asked was\n${said.slice(-4).join('\n')}\nand it wrote:\n${system.output()}`,
      {
        cause: error,
      },
    );
  } finally {
    sender?.kill('SIGKILL');
    receiver.kill('SIGKILL');
    await system.remove();
    rmSync(dir, { recursive: true, force: true });
  }
}

const failpointsOf = ({ faults }: Plan): Failpoint[] => faults.filter((fault) => fault.kind === 'failpoint');

/** As the process says it that a failpoint has struck (failpoints.ts). */
export const nameOf = ({ step, victim }: Omit<Failpoint, 'kind' | 'nth'>): string =>
  `${step} kill${victim === 'itself' ? '' : `-${victim}`}`;
const reachedIn = (output: string): string[] =>
  [...output.matchAll(/failpoint (\S+ \S+)/g)].map(([, reached = '']) => reached);

async function underFire(
  plan: Plan,
  system: System,
  send: (input: Omit<SenderInput, 'journal'>) => Promise<void>,
): Promise<{ calm_ms: number }> {
  const timed = plan.faults.filter((fault): fault is TimedFault => fault.kind !== 'failpoint');
  /** Those that have not struck yet. */
  const left = (): Failpoint[] => {
    const reached = new Set(reachedIn(system.output()));
    return failpointsOf(plan).filter((failpoint) => !reached.has(nameOf(failpoint)));
  };
  await system.begin(left());

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
      if (!over) await system.begin(left());
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
    const nudging = plan.nudges ? nudge(system, () => isSent || over) : undefined;
    await Promise.all(timed.map((fault) => strike(system, fault)));
    await until(
      'every request to be answered',
      () => {
        isStuck();
        return isSent || undefined;
      },
      SENT_MS,
    );
    await nudging;
    since = performance.now();
    await until(
      'calm: no row, incident, delivery or send by hand left to see to',
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

/** Tells the workflow of every open incident to look into the ledger, for as long as anything is sent. */
async function nudge({ urls, key, temporal }: System, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await pause(NUDGE_MS);
    const asked = urls.map((url) =>
      createApiClient(url, key).taken<{ incidents: { id: string }[] }>('GET', '/v1/incidents?status=open'),
    );
    const { incidents } = await Promise.any(asked).catch(() => ({ incidents: [] }));
    const signals = incidents.map(({ id }) =>
      temporal.connection.withDeadline(Date.now() + NUDGE_MS, () => temporal.workflow.getHandle(id).signal(NUDGE)),
    );
    await Promise.allSettled(signals);
  }
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
