/** The command line: start everything, only the API, or only a worker; check or import a configuration, check the audit; rotate keys; print the tables. */
import { parseArgs } from 'node:util';
import { loadConfig } from '../config/load.ts';
import { createRules } from '../egress/rules.ts';
import { firstKey, keyLine } from '../ledger/keys.ts';
import { auditCommand } from './audit.ts';
import { layFoundation, setting, version } from './foundation.ts';
import { importCommand } from './import.ts';
import { secretsCommand } from './secrets.ts';
import type { Running } from './start.ts';

const USAGE = `tocsin ${version}

  tocsin start           everything in one process, with a Temporal of its own
  tocsin api             the HTTP API; needs DATABASE_URL
  tocsin worker          relay and worker; needs DATABASE_URL and TEMPORAL_ADDRESS
  tocsin migrate         brings the ledger of DATABASE_URL to this version's schema and ends (--for ROLE grants a role
                         that owns nothing what the API and the worker need)
  tocsin check           reads the configuration and says what is wrong with it (--stored NAME for an integration that
                         is in the ledger, not in the file)
  tocsin import FILE     makes a tocsin.yaml of an alertmanager.yml and says what differs (--write FILE, --secrets FILE
                         for the values of its secrets, which become variables)
  tocsin audit verify    whether the audit's chain holds (--head HEAD or a file with heads, --public-key KEY,
                         --file EXPORT to need no ledger)
  tocsin audit export    the audit as JSON lines (--write FILE)
  tocsin secrets rotate  seals stored secrets anew with the first key of TOCSIN_SECRET_KEYS
  tocsin secrets new-key prints a key for that list
  tocsin run             runs a job and tells its story: --name NAME -- COMMAND (see tocsin run --help)
  tocsin docs            prints the tables of the README (--write FILE puts them in)

  --config FILE          the configuration (else TOCSIN_CONFIG, else ./tocsin.yaml, else the environment)
`;

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const print = (text: string): void => void process.stdout.write(text);
const { env } = process;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      config: { type: 'string' },
      write: { type: 'string' },
      secrets: { type: 'string' },
      file: { type: 'string' },
      head: { type: 'string', multiple: true },
      stored: { type: 'string', multiple: true },
      for: { type: 'string' },
      'public-key': { type: 'string', multiple: true },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const [command, part] = positionals;
  if (values.help || command === undefined) return say(USAGE);
  switch (command) {
    // Each loads only what it needs: the worker's part of Temporal alone takes 40 MB of an API.
    case 'start':
      return untilStopped(async () => {
        const { start } = await import('./start.ts');
        const running = await start({ env, configPath: values.config, say, print });
        welcome(running);
        return running;
      });
    case 'api':
      return untilStopped(async () => {
        const { startApi } = await import('./api.ts');
        const foundation = await layFoundation({ env, configPath: values.config, ledger: postgres(), level: 'info' });
        const key = await firstKey(foundation.ledger, setting(env, 'TOCSIN_API_KEY'));
        const api = await startApi(foundation);
        foundation.log.info({ url: api.url }, 'the API listens');
        if (key !== undefined) say(keyLine(key));
        const stop = async (): Promise<void> => {
          await api.stop();
          await foundation.close();
        };
        return { stop };
      });
    case 'worker':
      return untilStopped(async () => {
        const { startHands } = await import('./hands.ts');
        const foundation = await layFoundation({ env, configPath: values.config, ledger: postgres(), level: 'info' });
        const hands = await startHands(foundation, { print, isOurs: false });
        foundation.log.info('the worker works');
        const stop = async (): Promise<void> => {
          await hands.stop();
          await foundation.close();
        };
        return { stop };
      });
    case 'migrate': {
      const { migrateCommand } = await import('./migrate.ts');
      return migrateCommand(postgres(), values.for, say);
    }
    case 'check': {
      const config = await loadConfig({
        path: values.config,
        env,
        reach: createRules,
        stored: values.stored ?? [],
      });
      for (const warning of config.warnings) say(`warning: ${warning}`);
      return say(
        `${config.file ?? 'the environment'} is a good configuration: ${config.integrations.size} integrations, ${config.routing.routes.length} routes`,
      );
    }
    case 'import':
      return importCommand(part, values, { say, tell: (line) => void process.stderr.write(`${line}\n`) });
    case 'audit':
      process.exitCode = await auditCommand(part, values, { env, say });
      return;
    case 'secrets':
      process.exitCode = await secretsCommand(part, { env, say });
      return;
    case 'docs': {
      const { writeDocs } = await import('./docs.ts');
      return say(writeDocs(values.write));
    }
    default:
      throw new Error(`there is no command ${JSON.stringify(command)}\n\n${USAGE}`);
  }
}

function postgres(): { url: string } {
  const url = setting(env, 'DATABASE_URL');
  if (!url)
    throw new Error(
      'DATABASE_URL is not set: a process of its own needs a Postgres ledger (`tocsin start` brings its own)',
    );
  return { url };
}

function welcome({ url, grpc, temporalUi, key }: Running): void {
  const shown = key ?? '$TOCSIN_API_KEY';
  say('');
  say(`Tocsin ${version} is running.`);
  say(`  API          ${url}   (${url}/docs)`);
  if (grpc) say(`  gRPC         ${grpc}`);
  if (temporalUi) say(`  Temporal UI  ${temporalUi}`);
  say('');
  say('Try it: paste this line into another terminal.');
  say(
    `curl -s ${url}/v1/events -H "authorization: Bearer ${shown}" -H 'content-type: application/json' -d '{"source":"try","type":"outage","title":"Checkout is down","severity":"critical","service":"checkout"}'`,
  );
  say('');
}

/** A stop after a failure may wait for what will never come. */
const FAILED_STOP_MS = 30_000;

/** Runs until Ctrl-C or SIGTERM, or until it cannot go on, then stops cleanly; a second signal ends it at once. */
async function untilStopped(begin: () => Promise<Pick<Running, 'stop' | 'failed'>>): Promise<void> {
  const asked = new Promise<undefined>((resolve) => {
    let times = 0;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        times++;
        if (times > 1) process.exit(1);
        resolve(undefined);
      });
    }
  });
  const { stop, failed } = await begin();
  const why = await Promise.race(failed ? [asked, failed] : [asked]);
  if (why !== undefined) {
    process.exitCode = 1;
    setTimeout(() => process.exit(1), FAILED_STOP_MS).unref();
    process.stderr.write(
      `Tocsin cannot go on: ${why}\nWhat was accepted is kept. Start it again once this is mended.\n`,
    );
  }
  say('stopping …');
  await stop();
}

main().then(
  () => process.exit(process.exitCode ?? 0),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
