/** Values that come from outside of the file: environment variables, mounted secret files, and which fields are secret. */
import { readFileSync, statSync } from 'node:fs';

export type Environment = Readonly<Record<string, string | undefined>>;

export type Variable = { value: string; fromFile: boolean } | { problem: string } | undefined;

/** A mounted secret is a token or a key; a larger file is the wrong file. */
const SECRET_FILE_MAX = 64 * 1024;

/**
 * The variable `name`, or the content of the file that `name`_FILE names, without one newline at its end (Docker and
 * Kubernetes secrets). An empty variable counts as unset: compose files pass `X=${X}` whether there is an X or not.
 * Both set, and a file that cannot be read or that others may write, are problems in words; undefined where neither is set.
 */
export function readVariable(env: Environment, name: string): Variable {
  const value = env[name] || undefined;
  const file = env[`${name}_FILE`] || undefined;
  if (value !== undefined && file !== undefined) return { problem: `both ${name} and ${name}_FILE are set: unset one` };
  if (value !== undefined) return { value, fromFile: false };
  if (file === undefined) return undefined;
  try {
    const { mode, size } = statSync(file);
    if (size > SECRET_FILE_MAX) return { problem: `the file in ${name}_FILE is larger than ${SECRET_FILE_MAX} bytes` };
    // Whoever may write a secret may redirect what is sent with it.
    if (process.platform !== 'win32' && (mode & 0o022) !== 0) {
      return { problem: `the file in ${name}_FILE may be written by others than its owner: chmod go-w it` };
    }
    const content = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
    return content === '' ? { problem: `the file in ${name}_FILE is empty` } : { value: content, fromFile: true };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    return { problem: `the file in ${name}_FILE cannot be read (${code})` };
  }
}

/** Variables whose value is masked wherever it is used, by what operators name them. */
export const looksSecret = (name: string): boolean => /TOKEN|SECRET|PASS|KEY|WEBHOOK|CREDENTIAL/i.test(name);

export type Path = (string | number)[];

export { secretPaths } from '../channels/index.ts';

/** Whether `path` is a secret or lies within one. */
export const isSecret = (secrets: string[][], path: Path): boolean =>
  secrets.some(
    (secret) => secret.length <= path.length && secret.every((step, at) => step === '*' || step === String(path[at])),
  );

/** The live values at the secret fields of a configuration, for the log's scrubber. */
export function secretValues(secrets: string[][], config: unknown): string[] {
  const read = (value: unknown, steps: string[]): string[] => {
    const [step, ...rest] = steps;
    if (step === undefined) return typeof value === 'string' && value !== '' ? [value] : [];
    if (typeof value !== 'object' || value === null) return [];
    if (step === '*') return Object.values(value).flatMap((inner) => read(inner, rest));
    return Object.hasOwn(value, step) ? read((value as Record<string, unknown>)[step], rest) : [];
  };
  return secrets.flatMap((path) => read(config, path));
}
