/** Alertmanager's own tool, where it is installed: what it makes of a configuration, and whom it would tell. */
import { execFileSync } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const program = (process.env.PATH ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'amtool'))
  .find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

/** Whether tests with amtool are run: where it is, or where its absence is a failure. */
export const hasAmtool = program !== undefined || Boolean(process.env.TOCSIN_REQUIRE_PROMETHEUS);

const amtool = (args: string[]): string => {
  if (program === undefined)
    throw new Error(
      'amtool is not on PATH: `apt-get install prometheus-alertmanager`, or unset TOCSIN_REQUIRE_PROMETHEUS',
    );
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
};

/** One configuration in a file of its own; `end` removes it. Each question throws with amtool's words where it refuses. */
export function amtoolOn(yaml: string) {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-amtool-'));
  const file = join(folder, 'alertmanager.yml');
  writeFileSync(file, yaml);
  return {
    check: (): string => amtool(['check-config', file]),
    show: (): string => amtool(['config', 'routes', 'show', `--config.file=${file}`]),
    /** The receivers of an alert with these labels, in the order of the routes. */
    receiversOf: (labels: Record<string, string>): string[] =>
      amtool([
        'config',
        'routes',
        'test',
        `--config.file=${file}`,
        ...Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`),
      ])
        .trim()
        .split(','),
    end: (): void => rmSync(folder, { recursive: true, force: true }),
  };
}
