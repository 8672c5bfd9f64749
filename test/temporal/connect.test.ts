/** A Temporal that was away: how soon the client notices that it is back. */
import { expect, inject, it } from 'vitest';
import { connect } from '../../src/temporal/connect.ts';
import { startLine } from '../support/tcp-proxy.ts';
import { LATE_MS, until } from '../support/until.ts';

/**
 * Attempts of ours in AWAY_MS: after 0, 0.2, 0.5, 1.0, 1.9, 2.9 … s. By itself grpc-js makes four: after 0, 1, 2.6 and 5.2 s, and then
 * fewer and fewer.
 */
const ATTEMPTS = 8;
const AWAY_MS = 5_000 + LATE_MS;

it('looks for a server that is away every second, however long it has been away', async () => {
  const line = await startLine({ port: Number(inject('temporal').address.split(':')[1]) });
  const link = await connect({ env: {}, address: `127.0.0.1:${line.port}` });
  try {
    const ask = () =>
      link.connection.withDeadline(Date.now() + 1_000, () => link.connection.workflowService.getSystemInfo({}));
    await ask();
    line.set('cut');
    await expect(ask()).rejects.toThrow();
    await until(`${ATTEMPTS} attempts`, () => line.refused() >= ATTEMPTS || undefined, AWAY_MS);
    line.set('pass');
    await until('an answer', () => ask(), LATE_MS);
  } finally {
    await link.close();
    await line.close();
  }
});
