/** A line that can be cut: a TCP proxy whose connections pass, are reset, or fall silent without being closed. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Line {
  port: number;
  /**
   * `pass`: as if it were not there. `cut`: what is open is reset, what is new is refused. `silent`: everything stays open and
   * nothing arrives, in either direction, as behind a firewall that forgot the connection.
   */
  set(state: 'pass' | 'cut' | 'silent'): void;
  /** Connections that are open. */
  open(): number;
  /** Connections that came while it was cut. */
  refused(): number;
  close(): Promise<void>;
}

export async function startLine(to: { port: number }): Promise<Line> {
  let state: Parameters<Line['set']>[0] = 'pass';
  let refused = 0;
  const pairs = new Set<[Socket, Socket]>();
  const server = createServer((near) => {
    if (state === 'cut') {
      refused++;
      return near.resetAndDestroy();
    }
    const far = connect({ host: '127.0.0.1', port: to.port, noDelay: true });
    near.setNoDelay(true);
    const pair: [Socket, Socket] = [near, far];
    pairs.add(pair);
    for (const [from, into] of [pair, [far, near] as [Socket, Socket]]) {
      // What comes while the line is silent is lost, and the connection with it: it stays silent.
      let lost = false;
      from.on('data', (chunk) => {
        lost ||= state === 'silent';
        if (!lost) into.write(chunk);
      });
      from.on('error', () => undefined);
      from.on('close', () => {
        if (state === 'silent' || lost) return;
        pairs.delete(pair);
        into.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const reset = (): void => {
    for (const pair of pairs) for (const socket of pair) socket.resetAndDestroy();
    pairs.clear();
  };
  return {
    port: (server.address() as AddressInfo).port,
    set(next) {
      state = next;
      if (next === 'cut') reset();
    },
    open: () => pairs.size,
    refused: () => refused,
    async close() {
      reset();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
