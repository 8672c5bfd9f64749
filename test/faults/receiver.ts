/** The receiver of webhooks, a process of its own: journals every hit, and misbehaves on its path `/rough`. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chance } from '../support/chance.ts';
import { openJournal } from './journal.ts';

export interface HitLine {
  /** The header webhook-id: the delivery key. */
  key: string;
  path: string;
  reason: string;
  incident: string;
  /** Whether a whole 2xx was sent back. */
  answered: boolean;
  misdeed?: Misdeed;
  at: number;
}

export interface ReceiverInput {
  journal: string;
  seed: number;
}

/** How a first attempt on `/rough` may be met; the ones after it are taken. */
export const MISDEEDS = [
  'none',
  '500',
  '429-seconds',
  '429-date',
  '429-garbage',
  '429-negative',
  'hang',
  'drip-head',
  'drip-body',
  'cut-body',
  'reset-before',
  'reset-after',
  'endless',
] as const;
export type Misdeed = (typeof MISDEEDS)[number];

const DRIP_MS = 100;

process.once('message', async ({ journal: path, seed }: ReceiverInput) => {
  const journal = openJournal<HitLine>(path);
  const random = chance(seed);
  const seen = new Map<string, number>();
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const key = String(request.headers['webhook-id']);
    const { type, data } = JSON.parse(Buffer.concat(chunks).toString()) as {
      type: string;
      data: { incident: { id: string } };
    };
    const tries = (seen.get(key) ?? 0) + 1;
    seen.set(key, tries);
    const misdeed = request.url === '/rough' && tries === 1 ? random.one(MISDEEDS) : 'none';
    const line = {
      key,
      path: request.url ?? '',
      reason: type.replace('incident.', ''),
      incident: data.incident.id,
      at: Date.now(),
    };
    journal.write({ ...line, answered: misdeed === 'none', ...(misdeed === 'none' ? {} : { misdeed }) });
    misbehave(misdeed, request, response);
  });
  server.listen(0, '127.0.0.1', () => process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
});

function misbehave(misdeed: Misdeed, request: IncomingMessage, response: ServerResponse): void {
  const tooMany = (after: string) => response.writeHead(429, { 'retry-after': after }).end();
  const drip = (text: string): void => {
    const timer = setInterval(() => response.socket?.write(text), DRIP_MS);
    response.once('close', () => clearInterval(timer));
  };
  switch (misdeed) {
    case 'none':
      response.writeHead(204).end();
      break;
    case '500':
      response.writeHead(500).end('out of order');
      break;
    case '429-seconds':
      tooMany('1');
      break;
    case '429-date':
      tooMany(new Date(Date.now() + 1_000).toUTCString());
      break;
    case '429-garbage':
      tooMany('soon');
      break;
    case '429-negative':
      tooMany('-5');
      break;
    case 'hang':
      break;
    case 'drip-head':
      response.socket?.write('HTTP/1.1 200 OK\r\n');
      drip('x-drip: 1\r\n');
      break;
    case 'drip-body':
      response.socket?.write('HTTP/1.1 503 No\r\ncontent-length: 100000\r\n\r\n');
      drip('x');
      break;
    case 'cut-body':
      response.socket?.end('HTTP/1.1 502 No\r\ncontent-length: 100\r\n\r\nhalf of i');
      break;
    case 'reset-before':
      request.socket.resetAndDestroy();
      break;
    case 'reset-after':
      response.socket?.write('HTTP/1.1 500 No\r\ncontent-length: 4\r\n\r\nno', () => request.socket.resetAndDestroy());
      break;
    case 'endless': {
      response.writeHead(500);
      const pour = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
        if (!response.destroyed) response.once('drain', pour);
      };
      pour();
      break;
    }
    default:
      misdeed satisfies never;
  }
}
