/** A server of IRC (RFC 2812) as far as a bot needs it: it welcomes, lets join, and keeps what is said. */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

export interface FakeIrc {
  port: number;
  /** Channels that were joined. */
  joined: string[];
  /** `#channel text` of each message and notice to a channel. */
  said: string[];
  close(): Promise<void>;
}

export async function startFakeIrc(): Promise<FakeIrc> {
  const [joined, said]: [string[], string[]] = [[], []];
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    socket.on('error', () => undefined);
    const answer = (line: string): void => void socket.write(`${line}\r\n`);
    let nick = '*';
    createInterface({ input: socket }).on('line', (line) => {
      const [command = '', first = '', ...rest] = line.trim().split(' ');
      switch (command.toUpperCase()) {
        case 'NICK':
          nick = first;
          return;
        case 'USER':
          return answer(`:irc.test 001 ${nick} :Welcome`);
        case 'PING':
          return answer(`:irc.test PONG irc.test ${first}`);
        case 'JOIN':
          joined.push(first);
          answer(`:${nick}!bot@test JOIN ${first}`);
          return answer(`:irc.test 366 ${nick} ${first} :End of NAMES list`);
        case 'NOTICE':
        case 'PRIVMSG':
          if (first.startsWith('#')) said.push(`${first} ${rest.join(' ').replace(/^:/, '')}`);
      }
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    joined,
    said,
    async close() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
