/** Secrets of an imported configuration: each becomes a variable, and its value stays out of the file. */

/** What has to be set before the imported configuration can be used. */
export interface Variable {
  name: string;
  /** What it was in the alertmanager.yml; absent where it stood in a file of its own or cannot be brought over. */
  value?: string;
  /** The file that holds it: set `<name>_FILE` to it. */
  file?: string;
  /** Where it stood, and what to put there where there is no value. */
  about: string;
}

/** A text that holds a variable: `Bearer ${WEBHOOK_OPS_TOKEN}`. */
export class Filled {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export interface Variables {
  /** The variable for this value or file, one for all places with the same; `name` is what it is called if it can be. */
  take(name: string, wanted: { value?: string | undefined; file?: string | undefined; about: string }): Filled;
  all(): Variable[];
}

export function createVariables(): Variables {
  const variables = new Map<string, Variable>();
  const known = new Map<string, string>();
  return {
    take: (wanted, { value, file, about }) => {
      const same = value === undefined && file === undefined ? undefined : JSON.stringify([value, file]);
      const before = same === undefined ? undefined : known.get(same);
      if (before !== undefined) return new Filled(`\${${before}}`);
      const name = freeName(wanted, variables);
      const variable: Variable = { name, about };
      if (value !== undefined) variable.value = value;
      else if (file !== undefined) variable.file = file;
      variables.set(name, variable);
      if (same !== undefined) known.set(same, name);
      return new Filled(`\${${name}}`);
    },
    all: () => [...variables.values()],
  };
}

function freeName(wanted: string, taken: ReadonlyMap<string, unknown>): string {
  let name = wanted;
  for (let count = 2; taken.has(name); count++) name = `${wanted}_${count}`;
  return name;
}

/**
 * `SLACK_OPS_URL` for the field `url` of the integration `ops-slack`: the kind first, so that no name of an integration
 * makes it one of Tocsin's own variables.
 */
export function variableName(kind: string, integration: string, field: string): string {
  const wordsOf = (text: string): string[] =>
    text
      .toUpperCase()
      .split(/[^A-Z0-9]+/)
      .filter(Boolean);
  const first = wordsOf(kind);
  return [...first, ...wordsOf(integration).filter((word) => !first.includes(word)), ...wordsOf(field)].join('_');
}

/** A tree as it is written into tocsin.yaml: what is no variable does not become one by holding `${`. */
export function writtenOf(value: unknown): unknown {
  if (value instanceof Filled) return value.text;
  if (typeof value === 'string') return value.split('${').join('$${');
  if (Array.isArray(value)) return value.map(writtenOf);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(entries.map(([name, inner]) => [name, writtenOf(inner)]));
}
