/** A server that takes the whole request and breaks off while it answers. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HalfAnswers {
  url: string;
  /** How many requests were received whole. */
  taken: number;
  close(): Promise<void>;
}

/** `silent`: nothing comes; `stalled`: headers and half of the body, then nothing; `cut`: the same, then the connection ends. */
export async function startHalfAnswers(
  how: 'silent' | 'stalled' | 'cut',
  status: number,
  body: string,
): Promise<HalfAnswers> {
  let taken = 0;
  const server: Server = createServer((request, response) => {
    request.on('error', () => undefined); // the client gave up, as it should
    request.resume().on('end', () => {
      taken += 1;
      if (how === 'silent') return;
      response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
      response.write(body.slice(0, body.length / 2), () => {
        if (how === 'cut') request.socket.destroy();
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get taken() {
      return taken;
    },
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
}
