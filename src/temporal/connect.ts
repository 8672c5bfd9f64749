/** Connections to Temporal: the client's and the worker's, to our own dev server or to the one the environment names. */
import { setTimeout as pause } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection } from '@temporalio/worker';

type Env = Record<string, string | undefined>;

export interface TemporalLink {
  address: string;
  namespace: string;
  /** For clients (the relay, schedules). */
  connection: Connection;
  /** For the worker. */
  native: NativeConnection;
  client: Client;
  close(): Promise<void>;
}

export const DEFAULT_NAMESPACE = 'default';

/**
 * gRPC answers up to this size are taken. The SDK's own setting lacks the `grpc.` prefix in 1.24, so the 4 MB of
 * grpc-js would stand, and a long history could not be read.
 */
const RECEIVE_LIMIT_BYTES = 128 * 1024 * 1024;

/**
 * Indexed fields of our workflows, for lists in the Temporal UI. They are never encrypted, so they hold nothing but
 * what design section 2 allows in clear.
 */
export const SEARCH_ATTRIBUTES = ['TocsinStatus', 'TocsinSeverity', 'TocsinService', 'TocsinRoute'] as const;

/** temporal.api.enums.v1.IndexedValueType: Keyword, one exact word. */
const KEYWORD = 2;

/** A server that starts together with us, or is being restarted, is back by then; who starts us again decides what follows. */
const PATIENCE_MS = 60_000;
const AGAIN_MS = 1_000;

/** gRPC status codes (grpc.io, "Status codes and their use"). */
const ALREADY_EXISTS = 6;

/** True where the environment names a Temporal server, so that none of our own is to be started. */
export const namesServer = (env: Env): boolean =>
  Boolean(env.TEMPORAL_ADDRESS || env.TEMPORAL_PROFILE || env.TEMPORAL_CONFIG_FILE);

/**
 * Connects as a client and as a worker. With `address`: there, namespace `default`, without TLS (our dev server).
 * Without: as `TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, `TEMPORAL_TLS_*`, `TEMPORAL_PROFILE` and
 * the Temporal TOML file say (@temporalio/envconfig).
 * With `waits` a server that cannot be reached is tried again for a minute; it hears each time why.
 * @throws Error naming the address where nobody answers, or the setting that is wrong.
 */
export async function connect(input: {
  env: Env;
  address?: string;
  waits?: (why: string) => void;
}): Promise<TemporalLink> {
  const { connectionOptions: options, namespace } = input.address
    ? { connectionOptions: { address: input.address }, namespace: DEFAULT_NAMESPACE }
    : fromEnvironment(input.env);
  const address = options.address ?? '127.0.0.1:7233';
  const { tls, apiKey, metadata } = options as {
    tls?: typeof options.tls;
    apiKey?: string;
    metadata?: Record<string, string>;
  };
  const from = performance.now();
  const common = {
    address,
    ...(tls == null ? {} : { tls }),
    ...(apiKey ? { apiKey } : {}),
    ...(metadata ? { metadata } : {}),
  };
  for (;;) {
    let connection: Connection | undefined;
    try {
      connection = await Connection.connect({
        ...common,
        channelArgs: { 'grpc.max_receive_message_length': RECEIVE_LIMIT_BYTES },
      });
      const native = await NativeConnection.connect(common);
      const client = new Client({ connection, namespace });
      return {
        address,
        namespace,
        connection,
        native,
        client,
        close: () => closeBoth(client.connection as Connection, native),
      };
    } catch (error) {
      await connection?.close();
      const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
      const problem = `Temporal at ${address} (namespace ${namespace}) cannot be reached: ${why}`;
      if (!input.waits || performance.now() - from > PATIENCE_MS) throw new Error(problem);
      input.waits(problem);
      await pause(AGAIN_MS);
    }
  }
}

async function closeBoth(connection: Connection, native: NativeConnection): Promise<void> {
  await Promise.all([connection.close(), native.close()]);
}

function fromEnvironment(env: Env): ReturnType<typeof loadClientConnectConfig> & { namespace: string } {
  const defined = Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  try {
    const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars: defined });
    return { connectionOptions, namespace: namespace ?? DEFAULT_NAMESPACE };
  } catch (error) {
    throw new Error(
      `the Temporal settings in the environment are not valid: ${error instanceof Error ? error.message : error}`,
    );
  }
}

/**
 * Registers our search attributes on a server that is not our dev server. Those that are there already are left alone.
 * @throws Error with the commands to run by hand where the server does not let us (Temporal Cloud).
 */
export async function ensureSearchAttributes(connection: Connection, namespace: string): Promise<void> {
  const missing = await missingSearchAttributes(connection, namespace);
  if (missing.length === 0) return;
  try {
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map((name) => [name, KEYWORD])),
    });
  } catch (error) {
    if ((error as { code?: unknown }).code === ALREADY_EXISTS) return; // Another process was quicker.
    const flags = missing.map((name) => `--name ${name} --type Keyword`).join(' ');
    throw new Error(
      `Temporal does not let Tocsin register search attributes in namespace ${namespace} (${error instanceof Error ? error.message.split('\n')[0] : error}). ` +
        `Add them once by hand: temporal operator search-attribute create --namespace ${namespace} ${flags} (Temporal Cloud: tcld namespace search-attributes add).`,
    );
  }
}

async function missingSearchAttributes(connection: Connection, namespace: string): Promise<string[]> {
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    return SEARCH_ATTRIBUTES.filter((name) => !(name in (customAttributes ?? {})));
  } catch {
    return [...SEARCH_ATTRIBUTES]; // A server that does not list them may still take them.
  }
}
