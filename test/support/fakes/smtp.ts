/** A real SMTP server that keeps what it is sent, parsed; it can refuse recipients, hang and hang up. */
import type { AddressInfo } from 'node:net';
import PostalMime from 'postal-mime';
import { SMTPServer, type SMTPServerSession } from 'smtp-server';
import { createRecorder, type Recorder } from './recorder.ts';

/** RFC 5322 section 2.1.1: octets of one line without its end. */
const LINE_MAX = 998;

export interface Mail {
  /** From the envelope: who really gets it. */
  from: string;
  to: string[];
  subject: string;
  text: string;
  html: string;
  messageId: string;
  inReplyTo?: string;
  references: string[];
  /** By lower-case name; of a repeated header the last. */
  headers: Record<string, string>;
  user?: string;
  secure: boolean;
  raw: string;
}

/** What one connection is answered; without one everything is accepted. Numbers are SMTP reply codes. */
export interface SmtpAnswer {
  auth?: number;
  mail?: number;
  /** For every recipient, or by address. */
  rcpt?: number | Record<string, number>;
  data?: number;
  /** Never greet; with `accept`, take the message and never say so. */
  hang?: true;
  /** Hang up at once; with `accept`, after the message was taken. */
  reset?: true;
  accept?: true;
}

export interface FakeSmtp {
  url: string;
  host: string;
  port: number;
  mails: Mail[];
  /** Who has tried to log in. */
  logins: string[];
  /** Why a message was refused by the fake itself. */
  refused: string[];
  script(answers: SmtpAnswer[]): void;
  waitFor: Recorder<Mail>['waitFor'];
  close(): Promise<void>;
}

export interface FakeSmtpOptions {
  /** With it, logging in is required. */
  auth?: { user: string; pass: string };
  /** Offers STARTTLS, with this certificate or with one nobody trusts. */
  starttls?: boolean | { key: string; cert: string };
}

export async function startFakeSmtp({ auth, starttls }: FakeSmtpOptions = {}): Promise<FakeSmtp> {
  const mails = createRecorder<Mail>('mails');
  const refused: string[] = [];
  const logins: string[] = [];
  const script: SmtpAnswer[] = [];
  const answers = new Map<string, SmtpAnswer>();
  const answerTo = ({ id }: SMTPServerSession): SmtpAnswer => answers.get(id) ?? {};
  const hangUp = ({ id }: SMTPServerSession) => {
    for (const connection of server.connections) {
      const { session, _socket } = connection as { session: SMTPServerSession; _socket: { destroy(): void } };
      if (session.id === id) _socket.destroy();
    }
  };

  const server = new SMTPServer({
    ...(typeof starttls === 'object' && starttls),
    authOptional: auth === undefined,
    allowInsecureAuth: true,
    disabledCommands: [...(auth ? [] : ['AUTH']), ...(starttls ? [] : ['STARTTLS'])],
    disableReverseLookup: true,
    closeTimeout: 1,
    size: 25 * 1_024 * 1_024,

    onConnect(session, callback) {
      const answer = script.shift() ?? {};
      answers.set(session.id, answer);
      if (answer.reset && !answer.accept) return hangUp(session);
      if (!answer.hang || answer.accept) callback();
    },
    onAuth({ username, password }, session, callback) {
      logins.push(username ?? '');
      const { auth: code } = answerTo(session);
      if (code) return callback(reply(code, 'login refused'));
      if (username !== auth?.user || password !== auth?.pass) return callback(reply(535, 'wrong user or password'));
      callback(null, { user: username });
    },
    onMailFrom(_address, session, callback) {
      const { mail: code } = answerTo(session);
      callback(code ? reply(code, 'sender refused') : null);
    },
    onRcptTo({ address }, session, callback) {
      const { rcpt } = answerTo(session);
      const code = typeof rcpt === 'object' ? rcpt[address] : rcpt;
      callback(code ? reply(code, 'recipient refused') : null);
    },
    onData(stream, session, callback) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', async () => {
        const answer = answerTo(session);
        if (answer.data) return callback(reply(answer.data, 'message refused'));
        try {
          const mail = await parse(Buffer.concat(chunks), session);
          mails.add(mail);
        } catch (error) {
          const why = error instanceof Error ? error.message : String(error);
          refused.push(why);
          return callback(reply(550, why));
        }
        if (answer.reset) return hangUp(session);
        if (!answer.hang) callback(null, 'kept');
      });
    },
  });
  // A client that goes away in the middle is what some tests are about.
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.server.address() as AddressInfo;

  return {
    url: `smtp://127.0.0.1:${port}`,
    host: '127.0.0.1',
    port,
    mails: mails.items,
    logins,
    refused,
    script: (given) => void script.push(...given),
    waitFor: mails.waitFor,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

const reply = (responseCode: number, message: string) => Object.assign(new Error(message), { responseCode });

async function parse(raw: Buffer, session: SMTPServerSession): Promise<Mail> {
  const source = raw.toString('latin1');
  if (/(^|[^\r])\n|\r(?!\n)/.test(source)) throw new Error('a line does not end in CR LF');
  if (source.split('\r\n').some((line) => line.length > LINE_MAX)) throw new Error(`a line is longer than ${LINE_MAX}`);
  const parsed = await PostalMime.parse(raw);
  if (!parsed.messageId) throw new Error('no Message-ID');
  if (!parsed.from?.address) throw new Error('no From');
  if (!parsed.text || !parsed.html) throw new Error('text and HTML are wanted, both');
  const headers = Object.fromEntries(parsed.headers.map(({ key, value }) => [key.toLowerCase(), value]));
  const { envelope } = session;
  return {
    from: envelope.mailFrom === false ? '' : envelope.mailFrom.address,
    to: envelope.rcptTo.map(({ address }) => address),
    subject: parsed.subject ?? '',
    text: parsed.text,
    html: parsed.html,
    messageId: parsed.messageId,
    ...(parsed.inReplyTo ? { inReplyTo: parsed.inReplyTo } : {}),
    references: (parsed.references ?? '').split(/\s+/).filter((one) => one !== ''),
    headers,
    ...(session.user ? { user: session.user } : {}),
    secure: session.secure,
    raw: raw.toString(),
  };
}
