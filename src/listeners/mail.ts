/** Mail in: an SMTP listener for the sources of type mail; those of one port share it, and the address decides. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server';
import type { ConfiguredSource } from '../config/integrations.ts';
import { createBuckets, type Rate } from '../http/bucket.ts';
import { dedupKeyOf } from '../ledger/reading.ts';
import { type MailConfig, mail } from '../sources/mail.ts';
import type { ListenerDeps, Listening } from './listener.ts';
import { letterIn } from './mail/letter.ts';

/** Alerts are short; what is larger brings a report, of which nobody is told more than the beginning. */
const SIZE_MAX = 1024 * 1024;
/** Letters to one source. A monitor that sends more is in a loop, and its queue keeps what is refused for now. */
const RATE: Rate = { per_second: 5, burst: 200 };
/** Wrong passwords from one address, before it has to wait. */
const ATTEMPTS: Rate = { per_second: 0.1, burst: 10 };
const CLIENTS_MAX = 50;
const RECIPIENTS_MAX = 20;
/** RFC 5321, section 4.5.3.2 lets a client wait for minutes; nobody who sends a letter of ours needs them between two lines. */
const SOCKET_MS = 60_000;
/** After a stop, for letters that are on their way. */
const CLOSE_MS = 5_000;
const LOOPBACK = /^(?:127\.\d+\.\d+\.\d+|::1|localhost)$/;

interface Mailbox {
  name: string;
  config: MailConfig;
}

/** One port, and the mailboxes behind it by their address. */
interface Office {
  boxes: Map<string, Mailbox>;
  /** What all its mailboxes have to have alike. */
  tls: string;
  began: Promise<{ where: string; close(): Promise<void> }>;
}

/** By those who wired them: two installations in one process, as in tests, share nothing. */
const officesOf = new WeakMap<ListenerDeps, Map<string, Office>>();

/** Listens for one source. Throws with what is wrong, where it can never listen so. */
export async function listenForMail(source: ConfiguredSource, deps: ListenerDeps): Promise<Listening> {
  const name = source.name;
  const config = source.config as MailConfig;
  const problem = problemWith(config);
  if (problem !== undefined) throw new Error(`the source ${name} cannot listen for mail: ${problem}`);
  const offices = officesOf.get(deps) ?? new Map<string, Office>();
  officesOf.set(deps, offices);
  const place = `${config.host} ${config.port}`;
  const tls = `${config.tls_cert ?? ''} ${config.tls_key ?? ''}`;
  const box: Mailbox = { name, config };
  let office = offices.get(place);
  if (office && office.tls !== tls)
    throw new Error(
      `the source ${name} cannot listen for mail: others at port ${config.port} have another certificate`,
    );
  const taken = office?.boxes.get(config.address);
  if (taken) throw new Error(`the sources ${taken.name} and ${name} have one address, ${config.address}`);
  if (!office) {
    const boxes = new Map([[config.address, box]]);
    office = { boxes, tls, began: begin(boxes, config, deps) };
    offices.set(place, office);
  }
  const { boxes, began } = office;
  boxes.set(config.address, box);
  const { where, close } = await began.catch((error: unknown) => {
    offices.delete(place);
    throw new Error(`the source ${name} cannot listen for mail: ${error instanceof Error ? error.message : error}`);
  });
  return {
    where,
    async stop() {
      boxes.delete(config.address);
      if (boxes.size > 0) return;
      offices.delete(place);
      await close();
    },
  };
}

function problemWith({ host, username, password, tls_cert, tls_key }: MailConfig): string | undefined {
  if ((tls_cert === undefined) !== (tls_key === undefined)) return 'tls_cert and tls_key are needed together';
  if ((username === undefined) !== (password === undefined)) return 'username and password are needed together';
  if (password !== undefined && tls_cert === undefined && !LOOPBACK.test(host))
    return `a password would be sent in clear to ${host}: give it tls_cert and tls_key, or listen on 127.0.0.1`;
  return undefined;
}

/** An answer that a mail server understands: 4xx keeps the letter in its queue, 5xx gives it back to its sender. */
const answer = (responseCode: number, message: string): Error => Object.assign(new Error(message), { responseCode });

/** Of one length, so that comparing takes one time. */
const digestOf = (parts: readonly string[]): Buffer => createHash('sha256').update(JSON.stringify(parts)).digest();

async function begin(
  boxes: ReadonlyMap<string, Mailbox>,
  { host, port, tls_cert, tls_key }: MailConfig,
  deps: ListenerDeps,
): Promise<{ where: string; close(): Promise<void> }> {
  const rate = createBuckets(RATE);
  const attempts = createBuckets(ATTEMPTS);
  const boxOf = (address: string): Mailbox | undefined => {
    const whole = address.toLowerCase();
    return boxes.get(whole) ?? boxes.get(whole.split('@')[0] ?? '');
  };
  const hasTls = tls_cert !== undefined && tls_key !== undefined;
  const server = new SMTPServer({
    ...(hasTls ? { cert: readFileSync(tls_cert), key: readFileSync(tls_key) } : { disabledCommands: ['STARTTLS'] }),
    banner: 'Tocsin',
    size: SIZE_MAX,
    rejectOversized: true,
    authOptional: true,
    allowInsecureAuth: !hasTls,
    authMethods: ['PLAIN', 'LOGIN'],
    disableReverseLookup: true,
    hideENHANCEDSTATUSCODES: false,
    logger: false,
    maxClients: CLIENTS_MAX,
    maxRecipients: RECIPIENTS_MAX,
    socketTimeout: SOCKET_MS,
    closeTimeout: CLOSE_MS,
    onAuth({ username = '', password }, { remoteAddress }, done) {
      if (attempts.take(remoteAddress, deps.now().getTime()) > 0)
        return done(answer(421, 'too many attempts; try again later'));
      const shown = digestOf([username, password ?? '']);
      const opened = [...boxes.values()].filter(
        ({ config }) =>
          config.password !== undefined && timingSafeEqual(digestOf([config.username ?? '', config.password]), shown),
      );
      if (opened.length === 0) return done(answer(535, 'username or password is wrong'));
      attempts.refund(remoteAddress);
      done(null, { user: opened.map(({ name }) => name) });
    },
    onRcptTo({ address }, session, done) {
      const box = boxOf(address);
      done(
        box
          ? refusalOf(box, session, () => rate.take(box.name, deps.now().getTime()))
          : answer(550, 'no source has this address'),
      );
    },
    onData(stream, session, done) {
      const named = session.envelope.rcptTo.flatMap(({ address }) => boxOf(address) ?? []);
      void take(stream, [...new Set(named)], deps).then(
        (words) => done(null, words),
        (error: unknown) => {
          const isOurs = error instanceof Error && 'responseCode' in error;
          if (!isOurs)
            deps.log.warn({ err: error }, 'a letter could not be kept; its sender was told to send it again');
          done(isOurs ? error : answer(451, 'it cannot be kept now; send it again'));
        },
      );
    },
  });
  // A connection that breaks is its client's trouble.
  server.on('error', (error: Error) => deps.log.debug({ err: error }, 'a connection for mail failed'));
  await new Promise<void>((resolve, reject) => {
    server.server.once('error', reject);
    server.listen(port, host, () => resolve());
  });
  const at = server.server.address() as AddressInfo;
  return {
    where: `smtp://${at.family === 'IPv6' ? `[${at.address}]` : at.address}:${at.port}`,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** Why this letter is not taken for this mailbox; undefined where it is. */
function refusalOf(
  { name, config }: Mailbox,
  { envelope, user }: SMTPServerSession,
  wait: () => number,
): Error | undefined {
  const from = (envelope.mailFrom ? envelope.mailFrom.address : '').toLowerCase();
  if (config.password !== undefined && !(Array.isArray(user) && user.includes(name)))
    return answer(530, 'authentication is needed for this address');
  // Who answers to nobody reports a failed delivery: an event of it could begin a loop (RFC 5321, section 6.1).
  if (from === '') return answer(550, 'reports of delivery are not taken here');
  if (config.allow_from && !config.allow_from.some((one) => isFrom(from, one)))
    return answer(550, 'this sender may not write to this address');
  if (wait() > 0) return answer(450, 'too many letters for this address; send it again later');
  return undefined;
}

/** An address, or a domain with all below it. */
const isFrom = (from: string, allowed: string): boolean =>
  allowed.includes('@') && !allowed.startsWith('@')
    ? from === allowed
    : from.endsWith(`@${allowed.replace(/^@/, '')}`) || from.endsWith(`.${allowed.replace(/^@/, '')}`);

/** Keeps a letter for each of these mailboxes; resolves once it is committed. Rejects with an answer, or with what failed. */
async function take(stream: SMTPServerDataStream, boxes: readonly Mailbox[], deps: ListenerDeps): Promise<string> {
  const raw = await bytesOf(stream);
  const { letter, answers, refusal } = await letterIn(raw).catch((error: unknown) => {
    throw answer(554, `it cannot be read: ${error instanceof Error ? error.message : 'not MIME'}`);
  });
  if (refusal !== undefined) {
    deps.log.info({ sources: boxes.map(({ name }) => name), refusal }, 'a letter was refused');
    throw answer(554, `not taken: ${refusal}`);
  }
  for (const { name, config } of boxes) {
    const thread_key = await dedupKeyOf(deps.ledger, name, answers);
    const { events } = mail.normalise(
      { ...letter, ...(thread_key === undefined ? {} : { thread_key }) },
      { name, config, now: deps.now() },
    );
    await deps.keep(events, mail.id);
  }
  return `kept as ${letter.message_id.replace(/[^\x20-\x7e]/g, '').slice(0, 200)}`;
}

/** The whole letter. One that is too large is read to its end, as the protocol has it, and not kept. */
async function bytesOf(stream: SMTPServerDataStream): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of stream as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes <= SIZE_MAX) parts.push(part);
  }
  if (stream.sizeExceeded || bytes > SIZE_MAX) throw answer(552, `a letter has at most ${SIZE_MAX} bytes`);
  return Buffer.concat(parts);
}
