/** `tocsin import FILE`: an alertmanager.yml as a tocsin.yaml, what differs in plain lines, and the variables to set. */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { importAlertmanager, type Variable } from '../config/alertmanager/import.ts';

interface Wanted {
  /** Where the configuration is written; printed where this is absent. */
  write?: string | undefined;
  /** Where the variables are written with their values, which are secret. */
  secrets?: string | undefined;
}

interface Voices {
  /** What was made, for a pipe. */
  say: (line: string) => void;
  /** What there is to know about it. */
  tell: (line: string) => void;
}

/**
 * Imports `file` (`-` is standard input). Nothing that exists is written over, and no value of a secret is said. Throws an
 * Error with every problem where the file is no configuration of Alertmanager's.
 */
export function importCommand(file: string | undefined, wanted: Wanted, { say, tell }: Voices): void {
  if (file === undefined) throw new Error('tocsin import alertmanager.yml (--write tocsin.yaml, --secrets tocsin.env)');
  const name = file === '-' ? 'standard input' : basename(file);
  const { yaml, notes, variables } = importAlertmanager(read(file), name);
  const { write, secrets: envFile } = wanted;
  if (write === undefined) say(yaml.trimEnd());
  else create(write, yaml, 0o644);
  if (envFile !== undefined) create(envFile, envText(variables), 0o600);

  if (write !== undefined) tell(`${write} is written.`);
  if (notes.length > 0) tell(`\nTo know, ${notes.length === 1 ? '1 thing' : `${notes.length} things`}:`);
  for (const note of notes) tell(`  - ${note}`);
  if (variables.length > 0) tell(envFile === undefined ? '\nVariables to set:' : `\nVariables, in ${envFile}:`);
  for (const { name: variable, file: from, about } of variables)
    tell(`  ${from === undefined ? variable : `${variable}_FILE=${from}`}   ${about}`);
  const check = `tocsin check --config ${write ?? 'tocsin.yaml'}`;
  tell(`\nThen: ${check}`);
}

function read(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new Error(`${file} cannot be read (${codeOf(error)})`);
  }
}

function create(file: string, text: string, mode: number): void {
  try {
    writeFileSync(file, text, { mode, flag: 'wx' });
  } catch (error) {
    const code = codeOf(error);
    throw new Error(
      code === 'EEXIST' ? `${file} is there already: name another` : `${file} cannot be written (${code})`,
    );
  }
}

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : 'unknown');

/** As docker compose, systemd, a shell and `node --env-file` read it; what has no value is a comment, to be filled in. */
function envText(variables: readonly Variable[]): string {
  const lines = variables.map(({ name, value, file, about }) => {
    if (file !== undefined) return `${name}_FILE=${quoted(file)}`;
    if (value === undefined) return `# ${name}=   ${about}`;
    return isWritable(value)
      ? `${name}=${quoted(value)}`
      : `# ${name}=   ${about}: put it into a file and set ${name}_FILE`;
  });
  return `${lines.join('\n')}\n`;
}

/** Their rules for a line's end and for both quotes at once are not the same. */
const isWritable = (value: string): boolean => !/[\r\n]/.test(value) && !value.includes("'");
const quoted = (value: string): string => (/^[\w./:@%+,=-]+$/.test(value) ? value : `'${value}'`);
