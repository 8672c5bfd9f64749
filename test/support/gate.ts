/** What stands between us and a fake vendor: it passes everything on, and loses the answer to the one request that had an effect. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Gate {
  url: string;
  /** The next request that changes what `seen` gives gets no answer: the connection ends, or nothing comes; `lost` is told. */
  lose(how: 'reset' | 'silence', seen: () => unknown, lost?: () => void): void;
  close(): Promise<void>;
}

/** Headers of one connection, which the other has its own of (RFC 9110 section 7.6.1), and the length, which is counted anew. */
const HOP = new Set(['connection', 'keep-alive', 'host', 'content-length', 'transfer-encoding', 'expect']);

export async function startGate(to: string): Promise<Gate> {
  let losing: Parameters<Gate['lose']> | undefined;
  const server = createServer(async (request, response) => {
    request.on('error', () => undefined); // the client gave up, as it should
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const headers = Object.entries(request.headers).flatMap(([name, value]): [string, string][] =>
      HOP.has(name) ? [] : [[name, String(value)]],
    );
    const before = JSON.stringify(losing?.[1]());
    const answer = await fetch(`${to}${request.url}`, {
      method: request.method ?? 'GET',
      headers,
      ...(chunks.length > 0 ? { body: Buffer.concat(chunks) } : {}),
      redirect: 'manual',
    });
    const body = Buffer.from(await answer.arrayBuffer());
    const [how, seen, lost] = losing ?? [];
    if (seen && JSON.stringify(seen()) !== before) {
      losing = undefined;
      if (how === 'reset') request.socket.destroy();
      lost?.();
      return;
    }
    response.writeHead(answer.status, Object.fromEntries([...answer.headers].filter(([name]) => !HOP.has(name))));
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lose: (...given) => {
      losing = given;
    },
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
}
