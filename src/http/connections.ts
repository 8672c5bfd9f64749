/** Where connections come from, and how many of them one address may have: nobody can take them all and keep the others out. */
import type { Server } from 'node:http';
import { isIPv6, type Socket } from 'node:net';

/** Read by who has asked for too much; there is nobody to say it in a document, since nothing has been read of the request. */
const FULL = [
  'HTTP/1.1 503 Service Unavailable',
  'Connection: close',
  'Retry-After: 2',
  'Content-Type: text/plain; charset=utf-8',
  'Content-Length: 43',
  '',
  'more connections than one address may have\n',
].join('\r\n');
/** Who was refused and does not hang up is hung up on. */
const LINGER_MS = 1_000;

/** Connections beyond `most` of one address are answered 503 at once and closed, and no request of theirs is read. */
export function limitConnections(server: Server, most: number): void {
  const counts = new Map<string, number>();
  const takers = server.listeners('connection') as ((this: Server, socket: Socket) => void)[];
  server.removeAllListeners('connection');
  server.on('connection', (socket) => {
    const address = addressOf(socket);
    const count = counts.get(address) ?? 0;
    if (count >= most) return refuse(socket);
    counts.set(address, count + 1);
    socket.once('close', () => {
      const left = (counts.get(address) ?? 1) - 1;
      if (left > 0) counts.set(address, left);
      else counts.delete(address);
    });
    for (const take of takers) take.call(server, socket);
  });
}

function refuse(socket: Socket): void {
  socket.on('error', () => undefined);
  socket.once('end', () => socket.destroy());
  socket.setTimeout(LINGER_MS, () => socket.destroy());
  socket.resume().end(FULL);
}

/** The peer's address; of IPv6 the /64, which is what one subscriber has. No forwarded header is believed. */
export function addressOf({ remoteAddress: address = 'unknown' }: Pick<Socket, 'remoteAddress'>): string {
  if (address.startsWith('::ffff:')) return address.slice('::ffff:'.length);
  if (!isIPv6(address)) return address;
  const [head = [], tail = []] = address.split('::').map((half) => half.split(':').filter(Boolean));
  const zeros = Array.from({ length: Math.max(0, 8 - head.length - tail.length) }, () => '0');
  return [...head, ...zeros, ...tail].slice(0, 4).join(':');
}
