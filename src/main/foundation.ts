/** What every process of Tocsin stands on: configuration, log, metrics, ledger, egress. */
import { createRequire } from 'node:module';
import { destination } from 'pino';
import { FAILURES } from '../channels/channel.ts';
import { channels } from '../channels/index.ts';
import { withBesidesOf } from '../config/besides.ts';
import { withPatience } from '../config/compile.ts';
import type { Integration } from '../config/integrations.ts';
import { type Config, loadConfig, REGISTRY } from '../config/load.ts';
import { readVariable } from '../config/secrets.ts';
import { checkNames, createIntegrations, type Integrations } from '../config/stored.ts';
import { HEALTH_STATES } from '../core/health.ts';
import { REASONS } from '../core/notice.ts';
import { createEgress, type Egress } from '../egress/guard.ts';
import { createRules } from '../egress/rules.ts';
import { whenItAnswers } from '../ledger/away.ts';
import { type Ledger, openLedger } from '../ledger/db.ts';
import { unwell } from '../ledger/health.ts';
import { storedIntegrations } from '../ledger/integrations.ts';
import { stats } from '../ledger/reading.ts';
import type { Sealer } from '../ledger/sealing.ts';
import type { Tokens } from '../ledger/tokens.ts';
import { createLog, type Log, type LogLevel } from '../observe/log.ts';
import { createMetrics, type Metrics } from '../observe/metrics.ts';
import { createRedactor, type Redactor } from '../observe/redact.ts';
import { secretKeysFor } from './secret-keys.ts';

/** A variable of the process, or the content of the file that `NAME_FILE` names. Throws with what is wrong with it. */
export function setting(env: Env, name: string): string | undefined {
  const found = readVariable(env, name);
  if (found && 'problem' in found) throw new Error(`${name}: ${found.problem}`);
  return found?.value || undefined;
}

export type Env = Readonly<Record<string, string | undefined>>;

export interface Foundation {
  env: Env;
  config: Config;
  log: Log;
  metrics: Metrics;
  ledger: Ledger;
  egress: Egress;
  /** Those of the configuration and those that the ledger keeps. */
  integrations: Integrations;
  /** Seals the secrets of stored ones; absent where no key is given. */
  sealer?: Sealer;
  /** Signs and reads what buttons and links give back; absent where no key is given. */
  tokens?: Tokens;
  /** Knows every secret: those of the configuration, and stored ones as they are read. */
  redactor: Redactor;
  version: string;
  close(): Promise<void>;
}

const STDERR = 2;
const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

export const version = (createRequire(import.meta.url)('../../package.json') as { version: string }).version;

/**
 * Reads the configuration whole before anything is opened, and asks the ledger for the integrations that it names and does
 * not have. Throws ConfigError with every problem.
 */
export async function layFoundation(input: {
  env: Env;
  configPath?: string | undefined;
  ledger: { url: string } | { folder: string };
  level: LogLevel;
  /** The folder of the embedded ledger, which has the keys for stored secrets where the environment gives none. */
  stateDir?: string | undefined;
}): Promise<Foundation> {
  const { env, configPath } = input;
  const written = await loadConfig({ path: configPath, env, reach: createRules, stored: 'later' });
  const secretKeys = secretKeysFor(env, input.stateDir, true);
  const secrets = [
    ...written.secrets,
    ...(secretKeys?.keys ?? []),
    ...['TOCSIN_API_KEY', 'TEMPORAL_API_KEY', 'GRPC_TLS_KEY'].map((name) => setting(env, name)),
    ...withPassword(setting(env, 'DATABASE_URL')),
  ].filter((value) => value !== undefined);
  const redactor = createRedactor(secrets);
  const log = createLog({
    level: levelOf(env, input.level),
    secrets: redactor,
    destination: destination({ dest: STDERR, sync: true }),
  });
  const routes = [written.routing.fallback.name, ...namesOf(written.routing.routes)];
  const metrics = createMetrics({
    reasons: Object.keys(REASONS),
    channels: channels.map(({ id }) => id),
    failures: [...FAILURES],
    routes,
  });
  const ledger = await openLedger(input.ledger);
  const { ledger: where } = input;
  const place =
    'url' in where ? `at ${URL.canParse(where.url) ? new URL(where.url).host : 'DATABASE_URL'}` : `in ${where.folder}`;
  await whenItAnswers(ledger, (why) => log.warn({ why }, `the ledger ${place} does not answer; waiting for it`)).catch(
    async (error: unknown) => {
      await ledger.close().catch(() => undefined);
      throw new Error(`the ledger ${place} cannot be used: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    },
  );
  const integrations = createIntegrations({
    file: written.integrations,
    registry: REGISTRY,
    rows: () => storedIntegrations(ledger),
    open: secretKeys?.sealer.open,
    redactor,
  });
  const config = await withStored(written, integrations, ledger, log).catch(async (error: unknown) => {
    await ledger.close().catch(() => undefined);
    throw error;
  });
  metrics.beforeScrape(async () => {
    const { waiting, open, dead } = await stats(ledger);
    metrics.inboxWaiting.set(waiting);
    metrics.incidentsOpen.set(open);
    metrics.deliveriesDead.set(dead);
  });
  metrics.beforeScrape(async () => {
    const health = await unwell(ledger);
    for (const integration of config.integrations.keys())
      metrics.integrationState.set({ integration }, HEALTH_STATES.indexOf(health.get(integration)?.state ?? 'ok'));
  });
  metrics.buildInfo.set({ version, node: process.version }, 1);
  const egress = createEgress({
    allow: config.egress.allow,
    ...(config.egress.ports ? { ports: config.egress.ports } : {}),
  });
  for (const warning of config.warnings) log.warn(warning);
  const close = async (): Promise<void> => {
    await egress.close();
    await ledger.close();
  };
  return {
    env,
    config,
    log,
    metrics,
    ledger,
    egress,
    integrations,
    ...(secretKeys ? { sealer: secretKeys.sealer, tokens: secretKeys.tokens } : {}),
    redactor,
    version,
    close,
  };
}

/** The configuration once the ledger has told which integrations it keeps; throws ConfigError for names of neither. */
async function withStored(config: Config, { list }: Integrations, ledger: Ledger, log: Log): Promise<Config> {
  const warnings = checkNames(config, await storedIntegrations(ledger), REGISTRY);
  const known: Integration[] = [];
  for (const { integration } of await list()) {
    if ('missing' in integration) log.error(integration.missing);
    else known.push(integration);
  }
  const patience = new Map(known.map((integration) => [integration.name, integration.patience]));
  const patient = withPatience(config.routing, { patienceOf: (name) => patience.get(name) });
  const routing = withBesidesOf(patient, known, config.integrations, REGISTRY.channels);
  return { ...config, routing, warnings: [...config.warnings, ...warnings] };
}

/** The address of a database, and the password in it, which may be told of alone. */
function withPassword(url: string | undefined): (string | undefined)[] {
  const password = url === undefined ? '' : (URL.parse(url)?.password ?? '');
  try {
    return [url, decodeURIComponent(password) || undefined];
  } catch {
    return [url, password];
  }
}

function levelOf({ LOG_LEVEL }: Env, usual: LogLevel): LogLevel {
  if (LOG_LEVEL === undefined || LOG_LEVEL === '') return usual;
  if (LEVELS.includes(LOG_LEVEL)) return LOG_LEVEL as LogLevel;
  throw new Error(`LOG_LEVEL is ${JSON.stringify(LOG_LEVEL)}: it must be one of ${LEVELS.join(', ')}`);
}

const namesOf = (routes: Config['routing']['routes']): string[] =>
  routes.flatMap(({ name, children }) => [name, ...namesOf(children)]);
