/** One channel that hangs and takes half of the traffic: what the others feel of it. */
import { setTimeout as pause } from 'node:timers/promises';
import { type Line, ms, quantile, ratio } from '../line.ts';
import { event, startWorld, type World } from '../world.ts';

/** Events a second in all, and for how long: the hanging attempts and their repeats have gathered by then. */
const PER_SECOND = 10;
const WARM_MS = 5_000;
const RUN_MS = 60_000;

let services = 0;

/** Sends at a steady pace, each event to what `typeOf` says; from before the POST to the receiver's first byte, of the well ones. */
async function steadily(world: World, length_ms: number, typeOf: (n: number) => string): Promise<number[]> {
  const sent = new Map<string, number>();
  const took: number[] = [];
  world.receiver.onHit = ({ service, at }) => {
    const from = sent.get(service);
    if (from !== undefined) took.push(at - from);
    sent.delete(service);
  };
  const posts: Promise<unknown>[] = [];
  const begun = performance.now();
  for (let n = 0; performance.now() - begun < length_ms; n++) {
    const [type, service] = [typeOf(n), `hanging-${++services}`];
    if (type === 'lone') sent.set(service, performance.now());
    posts.push(world.api.taken('POST', '/v1/events', event({ type, severity: 'critical', service })));
    await pause(Math.max(0, begun + ((n + 1) * 1_000) / PER_SECOND - performance.now()));
  }
  await Promise.all(posts);
  const late = performance.now() + WARM_MS;
  while (sent.size > 0 && performance.now() < late) await pause(20);
  return [...took, ...[...sent.values()].map(() => Number.POSITIVE_INFINITY)];
}

export async function hangingLines(): Promise<Line[]> {
  const world = await startWorld();
  try {
    world.receiver.answer = (path, response) => void (path === '/stuck' || response.writeHead(204).end());
    await steadily(world, WARM_MS, () => 'lone');
    const alone = await steadily(world, RUN_MS, () => 'lone');
    const beside = await steadily(world, RUN_MS, (n) => (n % 2 === 0 ? 'lone' : 'stuck'));
    const [before, meanwhile] = [quantile(alone, 0.95), quantile(beside, 0.95)];
    return [
      {
        what: `critical events, ${PER_SECOND}/s, half of them to a webhook that hangs: POST → the webhook that is well`,
        measured: `p95 ${ms(meanwhile)}`,
        against: `all to the one that is well: p95 ${ms(before)} (${ratio(meanwhile, before)})`,
        aim: 'p95 within twice',
        met: meanwhile <= 2 * before,
      },
    ];
  } finally {
    await world.remove();
  }
}
