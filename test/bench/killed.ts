/** kill -9 half way: a sender is posting, and what it has posted is being told, when the process goes. */
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../support/until.ts';
import type { Receiver } from './world.ts';

/** In groups of their own, so that what was told of one says nothing of another. */
const GROUPS = 32;
const PER_GROUP = 64;
/** Between two posts: with a group_wait of a second the first groups are told and the last are not when the kill comes. */
const EVERY_MS = 125;
/** The post that is under way at the kill has left us, and is not answered yet. */
const LEFT_MS = 1;
/** After the new start: nothing that was told of no more for so long will be. */
const SILENT_MS = 30_000;
const ALL_MS = 180_000;

export const KILLED_ALERTS = GROUPS * PER_GROUP;

export interface Loss {
  /** Alerts whose posting was answered: before the kill, or while it fell. */
  accepted: number;
  /** Of these, already told when it fell. */
  told_before: number;
  /** Of these, never told. */
  lost: number;
}

/**
 * Posts a group of alerts after the other, each answer noted; kills half way, while a post is under way; starts again; counts
 * what was accepted and is never told. `post` resolves with whether it was answered 2xx; `restart` kills before it awaits anything.
 */
export async function lostHalfWay({
  path,
  receiver,
  post,
  restart,
}: {
  /** The receiver's path of this side. */
  path: string;
  receiver: Receiver;
  post(service: string, alerts: number): Promise<boolean>;
  restart(): Promise<unknown>;
}): Promise<Loss> {
  const accepted = new Set<string>();
  const nameOf = (group: number): string => `killed-${path.slice(1)}-${group}`;
  const told = (service: string): number =>
    Math.max(0, ...receiver.hits.filter((hit) => hit.path === path && hit.service === service).map(alertCount));
  const posts: Promise<void>[] = [];
  let restarted: Promise<unknown> | undefined;
  let told_before = 0;
  for (let group = 0; restarted === undefined; group++) {
    const service = nameOf(group);
    posts.push(
      post(service, PER_GROUP).then(
        (isTaken) => void (isTaken && accepted.add(service)),
        () => undefined,
      ),
    );
    // The next when this one is answered: what is half way is so by answers, whatever the machine's pace.
    if (group < GROUPS / 2) await Promise.all([posts.at(-1), pause(EVERY_MS)]);
    else {
      await pause(LEFT_MS);
      told_before = [...accepted].reduce((sum, one) => sum + told(one), 0);
      restarted = restart();
    }
  }
  await Promise.all(posts);
  await restarted;
  const all = (): number => [...accepted].reduce((sum, one) => sum + Math.min(told(one), PER_GROUP), 0);
  let last = { told: all(), at: performance.now() };
  await until(
    'all to be told, or no more',
    () => {
      const now = all();
      if (now > last.told) last = { told: now, at: performance.now() };
      return now === accepted.size * PER_GROUP || performance.now() - last.at > SILENT_MS || undefined;
    },
    ALL_MS,
  );
  return { accepted: accepted.size * PER_GROUP, told_before, lost: accepted.size * PER_GROUP - all() };
}

const alertCount = ({ alert_count }: { alert_count: number }): number => alert_count;

export const lossInWords = ({ accepted, told_before, lost }: Loss): string =>
  `${lost} lost of ${accepted.toLocaleString('en')} accepted (${told_before.toLocaleString('en')} told by then)`;
