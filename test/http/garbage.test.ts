/** A request that has been answered leaves nothing behind that only a full collection would find. */
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import express from 'express';
import { expect, it } from 'vitest';
import { listen } from '../../src/http/app.ts';
import { leftBehind } from '../support/garbage.ts';

const REQUESTS = 2_000;
const OF_EACH = 20_000;

it('what a response held is gone with the next small collections', async () => {
  const app = express();
  app.get('/', (_request, response) => {
    response.locals.held = Array.from({ length: OF_EACH / 8 }, (_, at) => at + 0.5);
    setImmediate(() => response.end());
  });
  const { url, close } = await listen(app, { host: '127.0.0.1', port: 0 });
  const agent = new Agent({ keepAlive: true, maxSockets: 20 });
  const ask = async () => {
    const asked = request(url, { agent }).end();
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    await once(answer.resume(), 'end');
  };
  const left = await leftBehind(ask, { times: REQUESTS, at_once: 20 });
  agent.destroy();
  await close();
  expect(left).toBeLessThan((REQUESTS * OF_EACH) / 10);
});
