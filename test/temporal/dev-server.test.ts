import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { msToTs } from '@temporalio/common/lib/time.js';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findTemporal } from '../../src/temporal/binary.ts';
import { connect, ensureSearchAttributes, namesServer, SEARCH_ATTRIBUTES } from '../../src/temporal/connect.ts';
import { type DevServer, startDevServer } from '../../src/temporal/dev-server.ts';
import { isRunning } from '../../src/temporal/process.ts';

let binary: string;
let stateDir: string;
const servers: DevServer[] = [];
const children: ChildProcess[] = [];

beforeAll(async () => {
  binary = (await findTemporal({ env: process.env, say: () => {} })).path;
}, 30 * 60_000);
beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'tocsin-dev-server-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  await rm(stateDir, { recursive: true, force: true, maxRetries: 3 });
});

async function start(
  more: Partial<Parameters<typeof startDevServer>[0]> = {},
): Promise<DevServer & { said: string[] }> {
  const said: string[] = [];
  const say = (line: string): void => void said.push(line);
  const server = await startDevServer({ binary, stateDir, port: 0, uiPort: 0, env: process.env, say, ...more });
  servers.push(server);
  return { ...server, said };
}

describe('the dev server', () => {
  it('answers once it has started, keeps histories for 30 days, and has our search attributes', async () => {
    const server = await start();
    const link = await connect({ env: {}, address: server.address });
    try {
      const { config } = await link.connection.workflowService.describeNamespace({ namespace: 'default' });
      expect(Number(config?.workflowExecutionRetentionTtl?.seconds)).toBe(30 * 86_400);
      const { customAttributes } = await link.connection.operatorService.listSearchAttributes({ namespace: 'default' });
      expect(Object.keys(customAttributes ?? {})).toEqual(expect.arrayContaining([...SEARCH_ATTRIBUTES]));
      await ensureSearchAttributes(link.connection, 'default');
    } finally {
      await link.close();
    }
    expect((await fetch(server.uiUrl)).status).toBe(200);
    const metrics = await (await fetch(`http://127.0.0.1:${server.metricsPort}/metrics`)).text();
    expect(metrics).toContain('service_requests');
  });

  it('does not stay where it cannot be written down which process it is, on a full disk say', async () => {
    const script = join(stateDir, 'temporal');
    const pidFile = join(stateDir, 'its-pid');
    await writeFile(script, `#!/bin/sh\necho $$ > '${pidFile}'\nexec sleep 600\n`);
    await chmod(script, 0o755);
    await mkdir(join(stateDir, 'temporal.pid.new')); // In its place: nothing can be written there.
    await expect(start({ binary: script })).rejects.toThrow('EISDIR');
    const pid = Number(await readFile(pidFile, 'utf8').catch(() => ''));
    expect(pid > 0 && isRunning(pid), 'ended, before or after it wrote its pid').toBe(false);
  });

  it('remembers over a restart what was in it, and what an operator has set', async () => {
    const first = await start();
    const link = await connect({ env: {}, address: first.address });
    const config = { workflowExecutionRetentionTtl: msToTs('3 days') };
    await link.connection.workflowService.updateNamespace({ namespace: 'default', config });
    const { signaledRunId } = await link.client.workflow.signalWithStart('nobody', {
      workflowId: 'kept',
      taskQueue: 'none',
      signal: 'hello',
    });
    await link.close();
    await first.stop();
    expect(isRunning(first.pid)).toBe(false);
    expect(await first.exited).toBe(0);

    const second = await start();
    const again = await connect({ env: {}, address: second.address });
    try {
      expect((await again.client.workflow.getHandle('kept').describe()).runId).toBe(signaledRunId);
      const { config } = await again.connection.workflowService.describeNamespace({ namespace: 'default' });
      expect(Number(config?.workflowExecutionRetentionTtl?.seconds)).toBe(3 * 86_400);
    } finally {
      await again.close();
    }
  });

  it('left behind by a killed process is ended before another opens the same file', async () => {
    const module = new URL('../../src/temporal/dev-server.ts', import.meta.url).href;
    const script = `
      const { startDevServer } = await import(process.argv[1]);
      const [, , binary, stateDir] = process.argv;
      const server = await startDevServer({ binary, stateDir, port: 0, uiPort: 0, env: process.env, say: () => {} });
      console.log(server.pid);
      setInterval(() => {}, 1000);
    `;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script, module, binary, stateDir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(parent);
    const [line] = await once(createInterface({ input: parent.stdout as NodeJS.ReadableStream }), 'line');
    const left = Number(line);
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    expect(isRunning(left)).toBe(true);

    const server = await start();
    expect(isRunning(left)).toBe(false);
    expect(server.said.join()).toContain(`pid ${left}`);
  });

  it('ends no process that merely has the recorded number', async () => {
    const stranger = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    children.push(stranger);
    await once(stranger, 'spawn');
    await writeFile(join(stateDir, 'temporal.pid'), JSON.stringify({ pid: stranger.pid, started: 'long ago' }));
    const server = await start();
    expect(isRunning(stranger.pid as number)).toBe(true);
    expect(server.said).toEqual([]);
    expect(JSON.parse(await readFile(join(stateDir, 'temporal.pid'), 'utf8'))).toMatchObject({ pid: server.pid });
  });

  it('is in a process group of its own, so Ctrl-C in the terminal does not reach it', async () => {
    const server = await start();
    process.kill(-server.pid, 0); // Throws where it does not lead a group.
    await server.stop();
    expect(() => process.kill(-server.pid, 0)).toThrow();
  });

  it('says which port is taken when that very port was asked for', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    await expect(start({ port })).rejects.toThrow(`port ${port} (TEMPORAL_PORT) cannot be used`);
    await new Promise((resolve) => other.close(resolve));
  });

  it('that ends while starting is an error with its last words', async () => {
    const broken = join(stateDir, 'broken');
    await writeFile(broken, '#!/bin/sh\necho "unable to open database" >&2\nexit 4\n');
    await chmod(broken, 0o755);
    await expect(start({ binary: broken })).rejects.toThrow(/exit 4[\s\S]*unable to open database/);
    await expect(start({ binary: join(stateDir, 'absent') })).rejects.toThrow('cannot be started');
  });
});

describe('connecting', () => {
  it('knows when the environment names a server', () => {
    expect(namesServer({ TEMPORAL_ADDRESS: 'temporal.test:7233' })).toBe(true);
    expect(namesServer({ TEMPORAL_PROFILE: 'cloud' })).toBe(true);
    expect(namesServer({ TEMPORAL_ADDRESS: '', TEMPORAL_PORT: '7233' })).toBe(false);
  });

  it('follows the environment to the server, its namespace and its settings', async () => {
    const server = await start();
    const link = await connect({ env: { TEMPORAL_ADDRESS: server.address, TEMPORAL_NAMESPACE: 'default' } });
    expect(link).toMatchObject({ address: server.address, namespace: 'default' });
    await link.close();
    await expect(connect({ env: { TEMPORAL_PROFILE: 'nobody-wrote-this', HOME: stateDir } })).rejects.toThrow(
      /nobody-wrote-this/,
    );
  });
});
