/** A server that stops in the middle of its answer: with the headers sent and no more, or with half of the body. */
import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:net';

export interface Halfway {
  url: string;
  close(): Promise<void>;
}

/** `hangs`: the headers arrive, the body never does. `breaks`: the connection ends inside the body. */
export async function startHalfway(how: 'hangs' | 'breaks', status = '200 OK'): Promise<Halfway> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write(`HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n`);
      if (how === 'breaks') socket.end('{"id":"12000');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
