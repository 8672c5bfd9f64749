/** Vendors that are no help: they refuse everything, and repeat in their refusal whatever they were sent, secrets and all. */
import { createServer as createHttp, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, createServer as createTcp } from 'node:net';

export interface Echo {
  port: number;
  /** Everything it was sent, as text. */
  seen(): string;
  close(): Promise<void>;
}

/** The refusals of an HTTP vendor in turn: a status, or the 200 of one that reports its errors in the body. */
const STATUSES = [400, 401, 500, 200, 403, 422, 302];

/** With `identity` over TLS; `stern` never says 200, which some channels take for a yes whatever the body says. */
export async function startEchoHttp({
  identity,
  stern = false,
}: {
  identity?: { key: string; cert: string };
  stern?: boolean;
} = {}): Promise<Echo> {
  const statuses = STATUSES.filter((status) => !stern || status !== 200);
  let seen = '';
  let count = 0;
  const answer: RequestListener = async (request: IncomingMessage, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const all = `${request.method} ${request.url}\n${JSON.stringify(request.headers)}\n${body}`;
    seen += `${all}\n`;
    const told = { ok: false, error: all, message: all, code: all, errors: [all], headers: request.headers };
    const oneLine = encodeURI(`${request.url} ${request.headers.authorization ?? ''}`);
    response.writeHead(statuses[count++ % statuses.length] ?? 400, {
      'content-type': 'application/json',
      'x-request-id': oneLine,
      'x-slack-req-id': oneLine,
      location: `http://127.0.0.1/${oneLine}`,
    });
    response.end(JSON.stringify(told));
  };
  const server = identity ? createHttps(identity, answer) : createHttp(answer);
  server.on('tlsClientError', (_error, socket) => void socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    seen: () => seen,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Speaks SMTP as far as the login, whose lines it repeats, also out of their base64. */
export async function startEchoSmtp(): Promise<Echo> {
  let seen = '';
  const server = createTcp((socket) => {
    socket.on('error', () => undefined);
    socket.write('220 echo ESMTP\r\n');
    let rest = '';
    socket.on('data', (bytes) => {
      const lines = (rest + bytes).split('\r\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const plain = line.split(' ').map((word) =>
          Buffer.from(word, 'base64')
            .toString()
            .replaceAll(/\p{Cc}/gu, ' '),
        );
        seen += `${line}\n${plain.join(' ')}\n`;
        if (/^EHLO/i.test(line)) socket.write('250-echo\r\n250 AUTH PLAIN LOGIN\r\n');
        else if (/^QUIT/i.test(line)) socket.end('221 bye\r\n');
        else socket.write(`535 5.7.8 refused: ${line} ${plain.join(' ')}\r\n`);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    seen: () => seen,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
