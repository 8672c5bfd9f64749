/** Debian's Alertmanager beside a measured Tocsin. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../support/ports.ts';
import { until } from '../support/until.ts';

const ALERTMANAGER = ['/usr/bin/prometheus-alertmanager', '/usr/bin/alertmanager'];

export interface Alertmanager {
  url: string;
  pid(): number;
  restart(): Promise<void>;
  end(): Promise<void>;
}

/** Debian's Alertmanager, telling `receiver`; undefined where it is not installed. */
export async function startAlertmanager(receiver: string, group_wait = '5s'): Promise<Alertmanager | undefined> {
  const program = ALERTMANAGER.find((path) => existsSync(path));
  if (!program) return undefined;
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-bench-am-'));
  writeFileSync(
    join(dir, 'am.yml'),
    `route: { receiver: hook, group_by: [service], group_wait: ${group_wait}, routes: [ { matchers: ['alertname="late"'], group_wait: 1s } ] }\nreceivers: [ { name: hook, webhook_configs: [ { url: '${receiver}' } ] } ]\n`,
  );
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const start = async () => {
    const args = [
      `--config.file=${dir}/am.yml`,
      `--storage.path=${dir}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
    ];
    const child = spawn(program, [...args, '--cluster.listen-address=', '--log.level=error'], { stdio: 'ignore' });
    await until('Alertmanager to answer', async () => (await fetch(`${url}/-/ready`)).ok || undefined);
    return child;
  };
  let child = await start();
  const kill = () =>
    new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.kill('SIGKILL');
    });
  return {
    url,
    pid: () => child.pid ?? 0,
    async restart() {
      await kill();
      child = await start();
    },
    async end() {
      await kill();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
