/** `tocsin import`: what it writes, what it says, and that no value of a secret is said. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
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
