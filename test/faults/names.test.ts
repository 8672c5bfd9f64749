/** Names that cannot be resolved for a while, or that lead somewhere else from one attempt to the next. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Channel } from '../../src/channels/channel.ts';
import { webhook } from '../../src/channels/webhook.ts';
import { createEgress } from '../../src/egress/guard.ts';
import { callOf } from '../support/calls.ts';

const OURS = '127.0.0.1';
const INSIDE = '127.0.0.2';
const hook = webhook as unknown as Channel;

let port: number;
/** The address of each request that arrived. */
const arrived: string[] = [];
const server = createServer((request, response) => {
  arrived.push(request.socket.localAddress ?? '');
  response.writeHead(204, { connection: 'close' }).end();
});
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => server.close());

const noName = (code: string): Error => Object.assign(new Error(`getaddrinfo ${code} hooks.test`), { code });

/** One attempt after the other, each with the next answer of the name service. */
async function attempts(answers: (string | Error)[]) {
  arrived.length = 0;
  const egress = createEgress({
    allow: [`${OURS}/32`],
    resolveHost: async () => {
      const answer = answers.shift();
      if (answer === undefined || answer instanceof Error) throw answer ?? noName('ENOTFOUND');
      return [answer];
    },
  });
  const outcomes: string[] = [];
  const times = answers.length;
  for (let n = 0; n < times; n++) {
    const outcome = await hook.send(
      callOf(
        hook,
        { url: `http://hooks.test:${port}/hook` },
        { fetch: egress.fetch, signal: AbortSignal.timeout(5_000) },
      ),
    );
    outcomes.push(outcome.kind === 'delivered' ? 'delivered' : `${outcome.kind} ${outcome.reason}`);
  }
  await egress.close();
  return { outcomes, arrived: [...arrived] };
}

describe('a webhook whose name', () => {
  it('is not found for a while is tried again, and told when it is', async () => {
    expect(await attempts([noName('EAI_AGAIN'), noName('ENOTFOUND'), OURS])).toEqual({
      outcomes: ['retry network', 'retry network', 'delivered'],
      arrived: [OURS],
    });
  });

  it('flips to an address inside is not called there, and told again when it is back', async () => {
    expect(await attempts([OURS, INSIDE, OURS])).toEqual({
      outcomes: ['delivered', 'rejected blocked', 'delivered'],
      arrived: [OURS, OURS],
    });
  });
});
