/** `tocsin import`: what it writes, what it says, and that no value of a secret is said. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { parseEnv } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { importAlertmanager, type Variable } from '../../src/config/alertmanager/import.ts';
import { loadConfig } from '../../src/config/load.ts';
import { importCommand } from '../../src/main/import.ts';

const folder = mkdtempSync(join(tmpdir(), 'tocsin-import-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);
const written = (name: string, text: string): string => {
  writeFileSync(at(name), text);
  return at(name);
};

function run(file: string | undefined, wanted: { write?: string; secrets?: string } = {}) {
  const said: string[] = [];
  const told: string[] = [];
  importCommand(file, wanted, { say: (line) => void said.push(line), tell: (line) => void told.push(line) });
  return { said: said.join('\n'), told: told.join('\n') };
}

const keyFile = written('key', 'k'.repeat(32));
const ALERTMANAGER = `
route: { receiver: ops }
receivers:
  - name: ops
    webhook_configs:
      - { url: 'https://example.com/canary?a=b', http_config: { authorization: { credentials: 'canary #1 "$x"' } } }
    slack_configs: [{ api_url: <secret> }]
    pagerduty_configs: [{ routing_key_file: '${keyFile}' }]
`;

describe('tocsin import', () => {
  it('prints a configuration, and beside it the variables to set without their values', () => {
    const { said, told } = run(written('printed.yml', ALERTMANAGER));
    expect(said).toMatch(/^# Made from printed\.yml/);
    expect(said).toContain('type: webhook');
    expect(told).toContain('WEBHOOK_OPS_URL');
    expect(told).toContain(`PAGERDUTY_OPS_ROUTING_KEY_FILE=${keyFile}`);
    expect(told).toContain('tocsin check --config tocsin.yaml');
    expect(said + told).not.toContain('canary');
  });

  it('writes two files that load together, the secrets readable by their owner alone', async () => {
    const [write, secrets] = [at('tocsin.yaml'), at('tocsin.env')];
    const { said } = run(written('written.yml', ALERTMANAGER), { write, secrets });
    expect(said).toBe('');
    expect(statSync(secrets).mode & 0o777).toBe(0o600);
    const text = readFileSync(secrets, 'utf8');
    expect(text).toMatch(/^# SLACK_OPS_URL= .*masked/m);
    const env = { ...parseEnv(text), SLACK_OPS_URL: 'https://hooks.slack.com/services/x' };
    const { integrations } = await loadConfig({ path: write, env });
    expect(integrations.get('ops-webhook')?.config).toMatchObject({
      url: 'https://example.com/canary?a=b',
      headers: { authorization: 'Bearer canary #1 "$x"' },
    });
    expect(integrations.get('ops-pagerduty')?.config).toMatchObject({ routing_key: 'k'.repeat(32) });
  });

  it('leaves a value that no line can hold to be put into a file', () => {
    const secrets = at('lines.env');
    run(written('lines.yml', ALERTMANAGER.replace('canary #1 "$x"', "it''s canary")), { secrets });
    expect(readFileSync(secrets, 'utf8')).toMatch(
      /^# WEBHOOK_OPS_TOKEN= .*put it into a file and set WEBHOOK_OPS_TOKEN_FILE$/m,
    );
  });

  it('writes over nothing, and says what is wrong with what it is given', () => {
    const there = written('there.yaml', 'mine');
    expect(() => run(written('again.yml', ALERTMANAGER), { write: there })).toThrow(/there\.yaml is there already/);
    expect(readFileSync(there, 'utf8')).toBe('mine');
    expect(() => run(at('nowhere.yml'))).toThrow(/nowhere\.yml cannot be read \(ENOENT\)/);
    expect(() => run(undefined)).toThrow(/tocsin import alertmanager\.yml/);
    expect(() => run(written('empty.yml', ''))).toThrow(/empty\.yml has 1 problem/);
  });
});

describe('the command line', { timeout: 180_000 }, () => {
  const PROGRAM = fileURLToPath(new URL('../../src/main/tocsin.ts', import.meta.url));
  const DIFFERENT = `${ALERTMANAGER}
time_intervals:
  - { name: night, time_intervals: [{ times: [{ start_time: '22:00', end_time: '24:00' }], location: Local }] }
`;
  const { notes, variables } = importAlertmanager(DIFFERENT, 'different.yml');
  const tocsin = async (args: string[], input = '') => {
    const child = spawn(process.execPath, [PROGRAM, 'import', ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      cwd: folder,
    });
    child.stdin.end(input);
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    return { code: code as number, stdout, stderr };
  };
  /** Every note is a line, and every variable is named; the values are nowhere. */
  const saysAll = (stderr: string, also: string): void => {
    const lines = stderr.split('\n');
    expect(lines).toEqual(expect.arrayContaining(notes.map((note) => `  - ${note}`)));
    for (const { name } of variables) expect(stderr).toContain(name);
    expect(lines).toContain(also);
    expect(stderr).not.toContain('canary');
  };

  it('prints what it made to one stream, and to the other what it could not bring and what is to be set', async () => {
    expect(notes).toContainEqual(expect.stringMatching(/time interval "night".*location Local/));
    const { code, stdout, stderr } = await tocsin(['-'], DIFFERENT);
    expect(code).toBe(0);
    saysAll(stderr, 'Then: tocsin check --config tocsin.yaml');
    await expect(
      loadConfig({ path: written('piped.yaml', stdout), env: Object.fromEntries(variables.map(envOf)) }),
    ).resolves.toMatchObject({ routing: { fallback: { name: 'default' } } });
    expect(stdout).not.toContain('canary');
  });

  it('with --write and --secrets makes two files, and over neither does it write', async () => {
    const file = written('different.yml', DIFFERENT);
    const [write, secrets] = [at('made.yaml'), at('made.env')];
    const both = ['--write', write, '--secrets', secrets];
    const { code, stdout, stderr } = await tocsin([file, ...both]);
    expect([code, stdout]).toEqual([0, '']);
    saysAll(stderr, `${write} is written.`);
    expect(stderr).toContain(`Then: tocsin check --config ${write}`);
    expect(statSync(secrets).mode & 0o777).toBe(0o600);
    const made = [readFileSync(write, 'utf8'), readFileSync(secrets, 'utf8')];
    expect(made[1]).toContain('canary');

    expect(await tocsin([file, ...both])).toEqual({
      code: 1,
      stdout: '',
      stderr: `${write} is there already: name another\n`,
    });
    expect([readFileSync(write, 'utf8'), readFileSync(secrets, 'utf8')]).toEqual(made);
  });

  it('ends with 1 and writes nothing where it is no configuration', async () => {
    const write = at('never.yaml');
    const args = ['-', '--write', write];
    const { code, stdout, stderr } = await tocsin(args, 'route: { receiver: nobody }\nreceivers: [{ name: ops }]\n');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^standard input has 1 problem[\s\S]*nobody/);
    expect(existsSync(write)).toBe(false);
  });
});

/** What would be set, where its value is known or a file has it. */
const envOf = ({ name, value, file }: Variable): [string, string] =>
  file === undefined ? [name, value ?? 'https://hooks.slack.com/services/x'] : [`${name}_FILE`, file];
