/** The two systems that scenarios are played against: Debian's Alertmanager, and us with what our importer makes of its file. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { importAlertmanager } from '../../src/config/alertmanager/import.ts';
import { createApiClient } from './api-client.ts';
import { endAll, startTocsin, type TocsinProcess } from './child.ts';
import { harness } from './harness.ts';
import type { Scenario, Side, SideName } from './parity.ts';
import { createPrograms } from './programs.ts';

/** As short as may be told apart on a busy machine; nothing is repeated unless a scenario is about that. */
const ROUTE = { group_by: ['alertname'], group_wait: '1s', group_interval: '1s', repeat_interval: '1h' };

/** The alertmanager.yml of all scenarios, for one side; `rest` is what else it says. */
export const alertmanagerYml = (
  scenarios: readonly Scenario[],
  side: SideName,
  url: string,
  rest: Record<string, unknown>,
): string =>
  JSON.stringify({
    route: {
      receiver: 'nobody',
      routes: scenarios.map(({ name, route }) => ({
        receiver: name,
        matchers: [`scenario="${name}"`],
        ...ROUTE,
        ...route,
      })),
    },
    receivers: [
      { name: 'nobody' },
      ...scenarios.map(({ name, receivers = { hook: {} } }) => ({
        name,
        webhook_configs: Object.entries(receivers).map(([at, { send_resolved = true }]) => ({
          url: `${url}/${side}/${name}/${at}`,
          send_resolved,
        })),
      })),
    ],
    ...rest,
  });

type Undo = (() => Promise<unknown> | unknown)[];

/** Alertmanager with its state in a folder; a restart is a clean one, which writes down what it has told. */
export async function startTheirs(yml: string, undo: Undo): Promise<Side> {
  const files = createPrograms();
  undo.push(files.end);
  const config = files.file('alertmanager.yml', yml);
  const storage = files.folder('data');
  const begin = async () => {
    const running = createPrograms();
    undo.push(running.end);
    const address = await running.start('alertmanager', [
      `--config.file=${config}`,
      `--storage.path=${storage}`,
      '--web.listen-address=127.0.0.1:0',
      '--cluster.listen-address=',
    ]);
    return { end: running.end, call: createApiClient(`http://${address}`, 'none').call };
  };
  let running = await begin();
  return {
    name: 'theirs',
    call: (...asked) => running.call(...asked),
    async restart() {
      await running.end();
      running = await begin();
    },
  };
}

/** Our tocsin.yaml of the same alertmanager.yml, and the variables that it takes. */
function imported(yml: string): { config: string; env: Record<string, string> } {
  const { yaml, variables } = importAlertmanager(yml, 'alertmanager.yml');
  return { config: yaml, env: Object.fromEntries(variables.map(({ name, value = '' }) => [name, value])) };
}

/** The whole of us in this process. */
export async function startOurs(yml: string, undo: Undo): Promise<Side> {
  const { call, stop } = await harness(imported(yml));
  undo.push(stop);
  return { name: 'ours', call };
}

/** A process of its own, with a Temporal of its own; a restart is kill -9. */
export async function startOursToKill(yml: string, undo: Undo): Promise<Side> {
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-parity-'));
  const { config, env } = imported(yml);
  const start = { stateDir: dir, configPath: join(dir, 'tocsin.yaml'), key: 'key-of-the-parity-journey', env };
  writeFileSync(start.configPath, config);
  let tocsin: TocsinProcess | undefined;
  undo.push(async () => {
    await endAll(tocsin, dir);
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
  });
  tocsin = await startTocsin(start);
  let { call } = createApiClient(tocsin.url, start.key);
  return {
    name: 'ours',
    call: (...asked) => call(...asked),
    async restart() {
      await tocsin?.end('SIGKILL');
      tocsin = await startTocsin(start);
      call = createApiClient(tocsin.url, start.key).call;
    },
  };
}
