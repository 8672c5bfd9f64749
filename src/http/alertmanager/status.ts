/** Alertmanager's status, receivers and health: what Grafana, Karma and amtool look at before anything else. */

import { alertmanagerYamlOf, receiverOf } from '../../config/alertmanager/export.ts';
import { receiversOf } from '../../core/prometheus/view.ts';
import { isReady } from '../../ledger/away.ts';
import type { Deps } from '../deps.ts';
import { type Endpoint, endpoint, ok } from '../endpoint.ts';
import { Problem } from '../problem.ts';
import { alertmanagerSays, SPOKEN_VERSION } from './dialect.ts';

export const status = ({
  ledger,
  config,
  version,
  now,
}: Pick<Deps, 'ledger' | 'config' | 'version' | 'now'>): Endpoint[] => {
  const since = now().toISOString();
  const own = { basic: true, says: alertmanagerSays } as const;
  const OK = { status: 200, type: 'text/plain', body: 'OK' };
  return [
    endpoint({
      ...own,
      method: 'get',
      path: '/api/v2/status',
      access: 'operator',
      summary: 'Tell the version, the uptime and the configuration',
      answers: { 200: { about: 'The status' } },
      handle: async () =>
        ok({
          cluster: { peers: [], status: 'disabled' },
          config: { original: alertmanagerYamlOf(config.routing) },
          uptime: since,
          versionInfo: {
            branch: 'tocsin',
            buildDate: '',
            buildUser: 'tocsin',
            goVersion: '',
            revision: version,
            version: SPOKEN_VERSION,
          },
        }),
    }),
    endpoint({
      ...own,
      method: 'get',
      path: '/api/v2/receivers',
      access: 'operator',
      summary: 'List the receivers',
      answers: { 200: { about: 'Their names' } },
      handle: async () => ok(receiversOf(config.routing, receiverOf)),
    }),
    endpoint({
      ...own,
      method: 'get',
      path: '/-/healthy',
      access: 'open',
      summary: 'Is the process alive?',
      answers: { 200: { about: 'It is' } },
      handle: async () => OK,
    }),
    endpoint({
      ...own,
      method: 'get',
      path: '/-/ready',
      access: 'open',
      summary: 'Can it take alerts?',
      answers: { 200: { about: 'It can' } },
      async handle() {
        if (await isReady(ledger)) return OK;
        throw new Problem('unavailable', 'the ledger does not answer, or has no schema yet');
      },
    }),
    endpoint({
      ...own,
      method: 'post',
      path: '/-/reload',
      access: 'operator',
      summary: 'Answer who asks for a reload; the configuration is read at start',
      answers: { 200: { about: 'Nothing was done' } },
      handle: async () => ({ status: 200 }),
    }),
  ];
};
