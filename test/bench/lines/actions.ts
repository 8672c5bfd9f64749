/** What incidents cost at Temporal, in billable actions by the server's own counter. */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { countedActions } from '../../support/actions.ts';
import { until } from '../../support/until.ts';
import { count, type Line } from '../line.ts';
import { event, type World } from '../world.ts';

/** The server brings its counter up to date about once a second. */
const COUNTED_MS = 3_000;
const LONG_MS = 180_000;
const STORM = 10_000;
const PER_POST = 1_000;

/** Of the embedded server, which is told its port as an argument. */
function metricsUrlOf(pid: number): string {
  const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  return `http://127.0.0.1:${args[args.indexOf('--metrics-port') + 1]}/metrics`;
}

async function actions(world: World): Promise<number> {
  await pause(COUNTED_MS);
  const counted = await countedActions(metricsUrlOf(world.tocsin().temporalPid), 'default');
  return Object.values(counted).reduce((sum, n) => sum + n, 0);
}

interface Found {
  incidents: { id: string; closed_at?: string }[];
}

/** Tells, waits for as many hits, acknowledges and resolves; `told` says how many hits each step brings. */
async function story(world: World, service: string, post: () => Promise<void>, told: number[]): Promise<void> {
  const hits = () => world.receiver.hits.filter((hit) => hit.service === service).length;
  const heard = (n: number) => until(`${n} hits`, () => hits() >= n || undefined, LONG_MS);
  const find = async () => (await world.api.taken<Found>('GET', `/v1/incidents?service=${service}`)).incidents[0];
  await post();
  const [fired = 0, acked = 0, resolved = 0] = told;
  await heard(fired);
  const id = (await find())?.id;
  await world.api.taken('POST', `/v1/incidents/${id}/ack`, {});
  await heard(fired + acked);
  await world.drained(LONG_MS);
  await world.api.taken('POST', `/v1/incidents/${id}/resolve`, {});
  await heard(fired + acked + resolved);
  await until('it to close', async () => (await find())?.closed_at, LONG_MS);
}

export async function actionLines(world: World): Promise<Line[]> {
  const cost = async (type: string, told: number[], alerts = 1): Promise<number> => {
    const service = `actions-${type}`;
    const before = await actions(world);
    const post = async (): Promise<void> => {
      for (let at = 0; at < alerts; at += PER_POST) {
        const events = Array.from({ length: Math.min(PER_POST, alerts - at) }, (_, n) =>
          event({ type, severity: type === 'storm' ? 'error' : 'critical', service, dedup_key: `a${at + n}` }),
        );
        await world.api.taken('POST', '/v1/events', events);
      }
      await world.drained(LONG_MS);
    };
    await story(world, service, post, told);
    return (await actions(world)) - before;
  };
  const all = await cost('pair', [2, 2, 2]);
  const silent = await cost('silent', [2, 0, 0]);
  const storm = await cost('storm', [2, 0, 0], STORM);
  const against = "none: Temporal's own counter is the measure";
  const line = (what: string, actions_used: number, most: number): Line => ({
    what: `Temporal actions: ${what}`,
    measured: count(actions_used),
    against,
    aim: `≤ ${most}`,
    met: actions_used <= most,
  });
  return [
    line('an incident told to two targets, acknowledged, resolved, each told to both', all, 14),
    line('the same where acknowledgement and end are told to nobody', silent, 8),
    line(`${count(STORM)} alerts on one incident`, storm, 250),
  ];
}
