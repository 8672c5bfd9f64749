/** A port that is free now, for a process that keeps one address over its restarts. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:http';

/** Where Linux begins to give ports to connections (ip_local_port_range), and where a signed 16-bit column ends. */
const LOW = { from: 20_000, below: 32_768 } as const;

/**
 * A free port that the system gives to nobody by itself, and that a signed 16-bit number holds: while its process is down,
 * no connection of another test takes it (seen).
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(LOW.from, LOW.below);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  const isOurs = await new Promise<boolean>((resolve) => {
    server.once('listening', () => resolve(true));
    server.once('error', () => resolve(false));
  });
  if (isOurs) await new Promise((resolve) => server.close(resolve));
  return isOurs;
}
