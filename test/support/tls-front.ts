/** TLS before a Temporal that has none: certificates made on the spot, and a front that notes what each call came with. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import * as http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';

/** Paths of PEM files. */
export interface Certificate {
  cert: string;
  key: string;
}

export interface Authority {
  ca: Certificate;
  /** A certificate of this authority for a server (SANs `DNS:…`, `IP:…`) or, without any, for a client. */
  issue(name: string, sans?: readonly string[]): Certificate;
  remove(): void;
}

/** A certificate authority with a folder that goes with it. Made by openssl. */
export function createAuthority(name: string): Authority {
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-ca-'));
  const make = (file: string, subject: string, extensions: readonly string[], by?: Certificate): Certificate => {
    const made = { cert: join(dir, `${file}.pem`), key: join(dir, `${file}.key`) };
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
        ...['-subj', `/CN=${subject}`, '-out', made.cert, '-keyout', made.key],
        ...extensions.flatMap((extension) => ['-addext', extension]),
        ...(by ? ['-CA', by.cert, '-CAkey', by.key] : []),
      ],
      { stdio: 'pipe' },
    );
    return made;
  };
  const ca = make('ca', name, ['keyUsage=critical,keyCertSign']);
  return {
    ca,
    issue: (leaf, sans = []) =>
      make(
        leaf,
        leaf,
        [
          'basicConstraints=critical,CA:FALSE',
          `extendedKeyUsage=${sans.length > 0 ? 'serverAuth' : 'clientAuth'}`,
          ...(sans.length > 0 ? [`subjectAltName=${sans.join(',')}`] : []),
        ],
        ca,
      ),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}

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
    cert: readFileSync(input.certificate.cert),
    key: readFileSync(input.certificate.key),
    ...(input.clients ? { ca: readFileSync(input.clients.ca.cert), requestCert: true, rejectUnauthorized: true } : {}),
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
