/** Connections to Temporal: the client's and the worker's, to our own dev server or to the one the environment names. */
import { setTimeout as pause } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection } from '@temporalio/worker';
import { readVariable } from '../config/secrets.ts';

type Env = Record<string, string | undefined>;

export interface TemporalLink {
  address: string;
  namespace: string;
  /** For clients (the relay, schedules). */
  connection: Connection;
  /** For the worker. */
  native: NativeConnection;
  client: Client;
  /** Starts workflows over the worker's own connection: their first task comes with the answer (eager start). */
  starter: Client;
  close(): Promise<void>;
}

export const DEFAULT_NAMESPACE = 'default';

/**
 * gRPC answers up to this size are taken. The SDK's own setting lacks the `grpc.` prefix in 1.24, so the 4 MB of
 * grpc-js would stand, and a long history could not be read.
 */
const RECEIVE_LIMIT_BYTES = 128 * 1024 * 1024;

/**
 * How long the client leaves a server alone that did not answer before it tries again. By itself grpc-js begins with a second and ends
 * with two minutes (https://grpc.github.io/grpc/core/md_doc_connection-backoff.html): a server that was away for five would
 * be back for up to two more before anybody heard of an event.
 */
const RECONNECT_FIRST_MS = 200;
const RECONNECT_MAX_MS = 1_000;

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

/** What a gRPC header can carry (RFC 9110 section 5.5, field-vchar); gRPC libraries print the value they refuse. */
const HEADER_WORD = /^[\x21-\x7e]+$/;

/** What the libraries below us say, and what it means for whoever has to set it right. */
const MEANINGS: readonly [RegExp, string][] = [
  [/ConnectionRefused/, 'nobody listens there'],
  [/dns error/, 'its name cannot be looked up'],
  [/UnknownIssuer/, 'its certificate is not from an authority we trust (TEMPORAL_TLS_SERVER_CA_CERT_PATH)'],
  [/NotValidForName/, 'its certificate is for another name (TEMPORAL_TLS_SERVER_NAME)'],
  [/InvalidCertificate\(Expired/, 'its certificate has expired'],
  [
    /CertificateRequired/,
    'it asks for a client certificate (TEMPORAL_TLS_CLIENT_CERT_PATH, TEMPORAL_TLS_CLIENT_KEY_PATH)',
  ],
  // With TLS 1.3 a server refuses after the handshake: what we sent meanwhile may fail before its reason is read (seen).
  [
    /BrokenPipe|Connection(?:Reset|Aborted)|UnexpectedEof|IncompleteMessage|ChannelClosed|connection closed/,
    'it closed the connection; perhaps it asks for a client certificate (TEMPORAL_TLS_CLIENT_CERT_PATH, TEMPORAL_TLS_CLIENT_KEY_PATH)',
  ],
  [/InvalidContentType|CorruptMessage/, 'it does not speak TLS'],
];

/** gRPC status codes (grpc.io, "Status codes and their use"). */
const ALREADY_EXISTS = 6;

/** True where the environment names a Temporal server, so that none of our own is to be started. */
export const namesServer = (env: Env): boolean =>
  Boolean(env.TEMPORAL_ADDRESS || env.TEMPORAL_PROFILE || env.TEMPORAL_CONFIG_FILE);

/**
 * Connects as a client and as a worker. With `address`: there, namespace `default`, without TLS (our dev server).
 * Without: as `TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, `TEMPORAL_TLS_*`, `TEMPORAL_PROFILE` and
 * the Temporal TOML file say (@temporalio/envconfig); the key may also come from the file of `TEMPORAL_API_KEY_FILE`.
 * With `waits` a server that cannot be reached is tried again for a minute; it hears why, once for each reason.
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
  if (apiKey && !HEADER_WORD.test(apiKey))
    throw new Error(`the API key for Temporal at ${address} holds characters that no header can carry`);
  const from = performance.now();
  let told = '';
  const common = {
    address,
    ...(tls == null ? {} : { tls }),
    ...(apiKey ? { apiKey } : {}),
    ...(metadata ? { metadata } : {}),
  };
  for (;;) {
    let native: NativeConnection | undefined;
    try {
      // First the one that says at once why it fails; the client's only says after 10 seconds that it did.
      native = await NativeConnection.connect(common);
      const connection = await Connection.connect({
        ...common,
        channelArgs: {
          'grpc.max_receive_message_length': RECEIVE_LIMIT_BYTES,
          'grpc.initial_reconnect_backoff_ms': RECONNECT_FIRST_MS,
          'grpc.max_reconnect_backoff_ms': RECONNECT_MAX_MS,
        },
      });
      return {
        address,
        namespace,
        connection,
        native,
        client: new Client({ connection, namespace }),
        starter: new Client({ connection: native, namespace }),
        close: closeBoth.bind(undefined, connection, native),
      };
    } catch (error) {
      await native?.close();
      const problem = `Temporal at ${address} (namespace ${namespace}) cannot be reached: ${reasonOf(error)}`;
      if (!input.waits || performance.now() - from > PATIENCE_MS) throw new Error(problem);
      if (problem !== told) input.waits(problem);
      told = problem;
      await pause(AGAIN_MS);
    }
  }
}

const firstLineOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';

function reasonOf(error: unknown): string {
  const said = firstLineOf(error);
  const [, meaning] = MEANINGS.find(([pattern]) => pattern.test(said)) ?? [];
  return meaning === undefined ? said : `${meaning}: ${said}`;
}

async function closeBoth(connection: Connection, native: NativeConnection): Promise<void> {
  await Promise.all([connection.close(), native.close()]);
}

function fromEnvironment(env: Env): ReturnType<typeof loadClientConnectConfig> & { namespace: string } {
  const apiKey = readVariable(env, 'TEMPORAL_API_KEY');
  if (apiKey && 'problem' in apiKey) throw new Error(`TEMPORAL_API_KEY: ${apiKey.problem}`);
  const { TEMPORAL_API_KEY: _, ...others } = env;
  const defined = Object.fromEntries(
    Object.entries({ ...others, TEMPORAL_API_KEY: apiKey?.value }).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    ),
  );
  try {
    const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars: defined });
    return { connectionOptions, namespace: namespace ?? DEFAULT_NAMESPACE };
  } catch (error) {
    // After its first line a parser's error shows the lines of the file, and a key may stand in them.
    const { line } = error as { line?: unknown };
    const where = typeof line === 'number' ? ` (line ${line})` : '';
    throw new Error(`the Temporal settings in the environment are not valid: ${firstLineOf(error)}${where}`);
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
      `Temporal does not let Tocsin register search attributes in namespace ${namespace} (${firstLineOf(error)}). ` +
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
