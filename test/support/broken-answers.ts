/** A server whose answers break off: for what a well-behaved fake cannot do. */
import { type AddressInfo, createServer, type Socket } from 'node:net';

export interface BrokenServer {
  url: string;
  close(): Promise<void>;
}

/**
 * Takes any request and answers 200 with the headers of a body of which only the beginning comes. `then` is what
 * happens to the connection after it: left open without a word, or cut.
 */
export async function startBrokenServer(beginning: string, then: 'silence' | 'cut'): Promise<BrokenServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined); // the client went away; nothing to answer
    socket.once('data', () => {
      const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${beginning.length + 100}\r\n\r\n`;
      socket.write(`${head}${beginning}`, () => {
        if (then === 'cut') socket.destroy();
      });
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
