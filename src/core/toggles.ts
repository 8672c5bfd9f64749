/** Which kinds of event an integration wants to hear of: a switch for each, on unless it is set. */

/** Event type → switch, in the words of the integrations that people have already. A type without a switch is always told. */
export const TOGGLES = {
  job_started: 'log_job_started',
  job_completed: 'log_job_completed',
  job_failed: 'log_job_failed',
  job_cancelled: 'log_job_cancelled',
  gpu_oom: 'log_gpu_oom',
  timeout_warning: 'log_timeout_warning',
  disk_warning: 'log_disk_warning',
} as const;
export type Toggle = (typeof TOGGLES)[keyof typeof TOGGLES];
export type Toggles = { [Name in Toggle]?: boolean | undefined };

const TOGGLE_OF = new Map<string, Toggle>(Object.entries(TOGGLES));

/** Whether any switch is off: else nothing has to be asked about the types of a notice. */
export const isAnyOff = (events: Toggles | undefined): boolean =>
  events !== undefined && Object.values(events).includes(false);

/** The switches that keep a notice from being told: those of all its types, where every one is off; else none. */
export function switchedOff(types: readonly string[], events: Toggles): Toggle[] {
  const toggles = types.map((type) => TOGGLE_OF.get(type));
  const off = toggles.filter((toggle) => toggle !== undefined && events[toggle] === false) as Toggle[];
  return off.length === toggles.length ? [...new Set(off)] : [];
}
