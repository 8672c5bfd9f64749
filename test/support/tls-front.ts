/** TLS before a Temporal that has none: a front that notes what each call came with. */
import * as http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Authority, Certificate } from './authority.ts';

/** A gRPC call as it arrived. */
export interface Call {
  path: string;
  headers: http2.IncomingHttpHeaders;
  /** The name that the client asked for in its handshake; absent for an address. */
  servername?: string;
  /** Subject of the client's certificate, where it showed one. */
  client?: string;
}

export interface TlsFront {
  port: number;
  calls: Call[];
  close(): Promise<void>;
}

/** Speaks HTTP/2 over TLS and hands every call on to the server at `to`. With `clients` only theirs get in. */
export async function startTlsFront(input: {
  to: string;
  certificate: Certificate;
  clients?: Authority;
}): Promise<TlsFront> {
  const calls: Call[] = [];
  const upstream = http2.connect(`http://${input.to}`);
  upstream.on('error', () => undefined);
  const sessions = new Set<http2.ServerHttp2Session>();
  const server = http2.createSecureServer({
    cert: input.certificate.cert,
    key: input.certificate.key,
    ...(input.clients ? { ca: input.clients.ca.cert, requestCert: true, rejectUnauthorized: true } : {}),
  });
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => undefined);
    session.once('close', () => sessions.delete(session));
  });
  server.on('stream', (stream, headers) => {
    const socket = stream.session?.socket as TLSSocket & { servername?: string | false };
    const { CN } = socket.getPeerCertificate().subject ?? {};
    calls.push({
      path: String(headers[':path']),
      headers,
      ...(socket.servername ? { servername: socket.servername } : {}),
      ...(CN === undefined ? {} : { client: String(CN) }),
    });
    handOn(stream, headers, upstream);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    calls,
    async close() {
      for (const session of sessions) session.destroy();
      upstream.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function handOn(
  stream: http2.ServerHttp2Stream,
  { ':authority': _, ...headers }: http2.IncomingHttpHeaders,
  upstream: http2.ClientHttp2Session,
): void {
  const call = upstream.request({ ...headers, ':scheme': 'http' });
  let trailers: http2.IncomingHttpHeaders = {};
  call.on('trailers', (given) => {
    trailers = given;
  });
  call.on('response', (given, flags) => {
    const isAll = (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    stream.respond(given, isAll ? { endStream: true } : { waitForTrailers: true });
  });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.on('error', () => call.close(http2.constants.NGHTTP2_CANCEL));
  call.on('error', () => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR));
  stream.on('close', () => call.close(http2.constants.NGHTTP2_CANCEL));
  stream.pipe(call);
  call.pipe(stream);
}
