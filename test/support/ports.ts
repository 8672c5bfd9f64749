/** A port that is free now, for a process that keeps one address over its restarts. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export async function freePort(): Promise<number> {
  const port = await listensOn(0);
  if (port === undefined) throw new Error('the system has no free port');
  return port;
}

/** Where Linux begins to give ports to connections (ip_local_port_range), and where a signed 16-bit column ends. */
const LOW = { from: 20_000, below: 32_768 } as const;

/** A free port that the system gives to nobody by itself, and that a signed 16-bit number holds. */
export async function freeLowPort(): Promise<number> {
  for (;;) {
    const port = await listensOn(randomInt(LOW.from, LOW.below));
    if (port !== undefined) return port;
  }
}

/** The port once it was listened on and let go; undefined where somebody else has it. */
async function listensOn(port: number): Promise<number | undefined> {
  const server = createServer().listen(port, '127.0.0.1');
  const isOurs = await new Promise((resolve) => {
    server.once('listening', () => resolve(true));
    server.once('error', () => resolve(false));
  });
  if (!isOurs) return undefined;
  const { port: found } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return found;
}
