/** Who used the processors while something was measured: what limits it. */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import type { PartName } from '../support/cluster.ts';

/** Of proc(5), /proc/<pid>/stat: the clock ticks of user and system time; those of its ended children with them. */
const ticksOf = (pid: number | undefined): number => {
  if (pid === undefined) return 0;
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0);
};
/** sysconf(_SC_CLK_TCK) of every Linux that Node runs on. */
const TICK_MS = 10;

const PARTS: Record<string, PartName[]> = {
  Temporal: ['temporal'],
  'the workers': ['worker-1', 'worker-2'],
  'the APIs': ['api-1', 'api-2'],
};

/** Begins to count; what it gives says how busy the processors were since, and by whom. */
export function processorTime(pidOf: (part: PartName) => number | undefined): () => string {
  const machine = () => {
    const times = cpus().map(({ times: { idle, ...rest } }) => ({
      idle,
      work: Object.values(rest).reduce((a, b) => a + b, 0),
    }));
    return times.reduce((sum, one) => ({ idle: sum.idle + one.idle, work: sum.work + one.work }), { idle: 0, work: 0 });
  };
  const parts = () =>
    Object.entries(PARTS).map(
      ([name, own]) => [name, own.reduce((sum, part) => sum + ticksOf(pidOf(part)), 0)] as const,
    );
  const [before, used] = [machine(), new Map(parts())];
  return () => {
    const after = machine();
    const all = after.idle - before.idle + after.work - before.work;
    const share = (ms: number): string => `${Math.round((100 * ms) / all)} %`;
    const named = parts().map(([name, ticks]) => [name, (ticks - (used.get(name) ?? 0)) * TICK_MS] as const);
    const rest = after.work - before.work - named.reduce((sum, [, ms]) => sum + ms, 0);
    return `${cpus().length} processors, ${share(after.work - before.work)} busy: ${named
      .map(([name, ms]) => `${name} ${share(ms)}`)
      .join(', ')}, PostgreSQL, the load and the receiver ${share(rest)}`;
  };
}
