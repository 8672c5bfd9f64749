/** Alertmanager's API v2, for Prometheus, Grafana, Karma and amtool as they are: prometheus/alertmanager, api/v2/openapi.yaml. */
import type { Deps } from '../deps.ts';
import type { Endpoint } from '../endpoint.ts';
import { alerts } from './alerts.ts';
import { silences } from './silences.ts';
import { status } from './status.ts';

export const alertmanager = (deps: Deps): Endpoint[] => [...alerts(deps), ...silences(deps), ...status(deps)];
