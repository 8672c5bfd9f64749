/** Who would be told of an incident, and when, in the words of `explain` and of the event's page. */
import type { Severity } from './event.ts';
import type { Policy } from './policy.ts';
import { inWords } from './time.ts';

/** Of each policy once: a route's own is the same for all its events. */
const known = new WeakMap<Policy, Map<string, string>>();

/** Who hears of an incident opened now with this severity, and when. `unowned`: why its owner is nobody. */
export function toldInWords(
  policy: Policy,
  severity: Severity,
  status: 'firing' | 'resolved',
  unowned = 'the route has no one in notify and no escalation',
): string {
  const texts = known.get(policy) ?? new Map<string, string>();
  known.set(policy, texts);
  const name = `${severity} ${status} ${unowned}`;
  const text = texts.get(name) ?? inWordsOf(policy, severity, status, unowned);
  texts.set(name, text);
  return text;
}

function inWordsOf(policy: Policy, severity: Severity, status: 'firing' | 'resolved', unowned: string): string {
  const { notify, levels, failover, repeat } = policy;
  if (status === 'resolved') {
    return policy.tell_resolved
      ? 'whoever was told of it hears that it is over'
      : 'nobody hears of the end (tell_resolved is off)';
  }
  if (notify.length === 0 && levels.length === 0) return `nobody: ${unowned}`;
  // The first page goes to `notify` and to level 1 together (core/plan.ts).
  const first = [...new Set([...notify, ...(levels[0]?.notify ?? [])])];
  const said = [`${first.join(', ')} ${whenInWords(policy, severity)}`];
  for (const name of notify) {
    const other = Object.hasOwn(failover, name) ? failover[name] : undefined;
    if (other && (other.only.length === 0 || other.only.includes(severity))) {
      said.push(`${other.to} if ${name} has not delivered within ${inWords(other.after_ms)}`);
    }
  }
  if (policy.lifecycle !== undefined) return said.join('; ');
  levels.slice(1).forEach((level, at) => {
    said.push(`unanswered ${inWords(levels[at]?.wait_ms ?? 0)} later: level ${at + 2}, ${level.notify.join(', ')}`);
  });
  if (levels.length > 0 && repeat > 0) said.push(`then up to ${repeat} more rounds through the levels`);
  if (notify.length > 0) said.push(`again every ${inWords(policy.repeat_interval_ms)} while it stays open`);
  return said.join('; ');
}

function whenInWords({ lifecycle, group_now, group_wait_ms, group_count }: Policy, severity: Severity): string {
  if (lifecycle !== undefined) return `at every event, as one story per ${lifecycle}`;
  if (group_now.includes(severity)) return `at once, because ${severity} is in group_now`;
  if (group_wait_ms === 0) return 'at once, because group_wait is 0';
  if (group_count <= 1) return 'at once, because group_count is 1';
  const now = group_now.length > 0 ? `, or at once when one is ${group_now.join(' or ')}` : '';
  return `after ${inWords(group_wait_ms)}, or when ${group_count} alerts have come${now}`;
}
