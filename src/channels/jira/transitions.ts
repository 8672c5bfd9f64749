/**
 * Which transition moves an issue, and what its screen wants to be told: each project has a workflow and screens of its own.
 * https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issues/#api-rest-api-3-issue-issueidorkey-transitions-get
 */
import { clip, oneLine } from '../../core/text.ts';

/** A transition as Jira lists it with `expand=transitions.fields`; what is read of it is checked here. */
export interface Transition {
  id?: string | undefined;
  to?: { name?: string | undefined; statusCategory?: { key?: string | undefined } | undefined } | undefined;
  fields?: Record<string, unknown> | undefined;
}

export interface Wanted {
  done: boolean;
  done_status?: string | undefined;
  resolution?: string | undefined;
  /** Custom fields by id, filled in: given where a screen requires them. */
  fields: Record<string, unknown>;
}

/** `note`: what was not done as it was wanted. `lacking`: names of the fields that nobody has said a value for. */
export type Way = { id: string; fields: Record<string, unknown>; note?: string } | { lacking: string[] };

/** What most workflows call a status that is reached by work being done, and what is then said of how it ended. */
const DONE_NAMES = /^(done|resolved|closed|completed?)$/i;
const GOOD_RESOLUTIONS = [/^done$/i, /^(fixed|resolved|completed?)$/i];
const NAME_MAX = 60;

/**
 * By the category of the status, since every project names its own. Among those that lead to the best of them the first
 * whose screen wants nothing that we lack: never to another status for the sake of a field. Undefined where none leads there.
 */
export function wayOf(transitions: readonly Transition[], wanted: Wanted): Way | undefined {
  const fitting = transitions.filter(
    ({ id, to }) => id !== undefined && (to?.statusCategory?.key === 'done') === wanted.done,
  );
  const best = wanted.done
    ? (fitting.find(({ to }) => to?.name === wanted.done_status) ??
      fitting.find(({ to }) => DONE_NAMES.test(to?.name ?? '')) ??
      fitting[0])
    : (fitting.find(({ to }) => to?.statusCategory?.key === 'new') ?? fitting[0]);
  if (!best) return undefined;
  const ways = fitting.filter(({ to }) => to?.name === best.to?.name).map((one) => wayBy(one, wanted));
  return ways.find((way) => 'id' in way) ?? ways[0];
}

function wayBy({ id = '', fields: screen = {} }: Transition, { done, resolution, fields: own }: Wanted): Way {
  const fields: Record<string, unknown> = {};
  const lacking: string[] = [];
  let note: string | undefined;
  for (const [name, described] of Object.entries(screen)) {
    const field = fieldOf(described);
    const isDemanded = field.required === true && field.hasDefaultValue !== true;
    if (name === 'resolution' && (isDemanded || (done && resolution !== undefined))) {
      const chosen = resolutionOf(field.allowedValues, resolution);
      if (chosen) fields.resolution = { id: chosen.id };
      else if (isDemanded) lacking.push(nameOf(name, field));
      if (done && resolution !== undefined && chosen?.name !== resolution)
        note = `the issue was not given the resolution ${clip(oneLine(resolution), NAME_MAX)}: its screen does not offer it`;
    } else if (isDemanded && Object.hasOwn(own, name)) {
      fields[name] = own[name];
    } else if (isDemanded) {
      lacking.push(nameOf(name, field));
    }
  }
  if (lacking.length > 0) return { lacking };
  return { id, fields, ...(note === undefined ? {} : { note }) };
}

interface Field {
  name?: unknown;
  required?: unknown;
  hasDefaultValue?: unknown;
  allowedValues?: unknown;
}

const fieldOf = (described: unknown): Field =>
  typeof described === 'object' && described !== null ? (described as Field) : {};
const nameOf = (id: string, { name }: Field): string =>
  clip(oneLine(typeof name === 'string' && name !== '' ? name : id), NAME_MAX);

/** The one that was asked for, else what says that it went well, else the first there is. */
function resolutionOf(allowed: unknown, wanted: string | undefined): { id: string; name: unknown } | undefined {
  const choices = (Array.isArray(allowed) ? allowed : []).flatMap((one: unknown) => {
    const { id, name } = (one ?? {}) as { id?: unknown; name?: unknown };
    return typeof id === 'string' ? [{ id, name }] : [];
  });
  const good = GOOD_RESOLUTIONS.map((pattern) => choices.find(({ name }) => pattern.test(String(name))));
  return choices.find(({ name }) => name === wanted) ?? good.find((one) => one !== undefined) ?? choices[0];
}
