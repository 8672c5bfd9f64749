/** The mail server: how it is connected to, whether it lets us in, and what its replies mean. */
import { isIP } from 'node:net';
import { createTransport } from 'nodemailer';
import { type CheckCall, delivered, fromError, type Outcome, rejected, retry } from '../channel.ts';
import type { Config } from './config.ts';

/** RFC 8314 section 3.3: TLS from the first byte. Everywhere else STARTTLS is required (decision K2). */
const IMPLICIT_TLS_PORT = 465;
/** Longer than any attempt: the attempt's signal ends it before. nodemailer's own default is up to 10 minutes. */
const SOCKET_TIMEOUT_MS = 60_000;

export type Server = Pick<CheckCall<Config>, 'config' | 'resolve' | 'signal'>;

/** Why the account is not complete; undefined where it is. */
export const accountProblem = ({ user, pass }: Config): Outcome | undefined =>
  (user === undefined) === (pass === undefined)
    ? undefined
    : rejected('config', `email: ${user === undefined ? 'pass without user' : 'user without pass'}`);

/** A connection for one mail, to the address that the egress rules gave. */
export const transportOf = async ({ config, resolve }: Server) =>
  createTransport({
    host: await resolve(config.host, config.port),
    port: config.port,
    secure: config.tls === 'required' && config.port === IMPLICIT_TLS_PORT,
    requireTLS: config.tls === 'required',
    ignoreTLS: config.tls === 'none',
    // The certificate is checked against the name that was configured, not the address it led to. An address
    // is no server name (RFC 6066 section 3); Node then checks the certificate against the address.
    tls: { minVersion: 'TLSv1.2', ...(isIP(config.host) === 0 ? { servername: config.host } : {}) },
    auth: config.user === undefined ? undefined : { user: config.user, pass: config.pass },
    connectionTimeout: SOCKET_TIMEOUT_MS,
    greetingTimeout: SOCKET_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
    socketCloseTimeout: 0,
    disableFileAccess: true,
    disableUrlAccess: true,
  });

/** Connects, secures and logs in, and says nothing: whether the account may send as From is seen with the first mail only. */
export async function check(call: Server): Promise<Outcome> {
  const problem = accountProblem(call.config);
  if (problem) return problem;
  const { signal } = call;
  try {
    const transport = await transportOf(call);
    // The vendor's check takes no signal: it is left alone at the deadline, and its own timeouts end it.
    let leave = () => {};
    const left = new Promise<never>((_, reject) => {
      leave = () => reject(new DOMException('left at the deadline', 'AbortError'));
      signal.addEventListener('abort', leave, { once: true });
      if (signal.aborted) leave();
    });
    try {
      await Promise.race([transport.verify(), left]);
      return delivered(
        undefined,
        'the server lets us in; whether it takes mail from this From address shows with the first mail',
      );
    } finally {
      signal.removeEventListener('abort', leave);
      transport.close();
    }
  } catch (error) {
    return fromSmtp(error, signal);
  }
}

export interface Refused {
  address: string;
  /** The server's reply; 0 where none is known. */
  code: number;
}

/** Whether the server may take it later (RFC 5321 section 4.2.1). */
export const isForNow = ({ code }: Refused): boolean => code >= 400 && code < 500;

/** Who was refused while others were accepted: the mail is sent all the same. */
export function refusedOf(info: { rejected?: unknown; rejectedErrors?: unknown }): Refused[] {
  const errors = Array.isArray(info.rejectedErrors) ? (info.rejectedErrors as SmtpError[]) : [];
  const addresses = Array.isArray(info.rejected) ? info.rejected : [];
  return addresses.map((address) => ({
    address: String(address),
    code: errors.find(({ recipient }) => recipient === address)?.responseCode ?? 0,
  }));
}

/** Who was accepted: the server has taken the mail for them. */
export const acceptedOf = ({ accepted }: { accepted?: unknown }): string[] =>
  Array.isArray(accepted) ? accepted.map(String) : [];

/** The same of a mail that was refused by all it was offered to; none for any other failure. */
export function refusedIn(error: unknown): Refused[] {
  const { code, rejectedErrors = [] } = error as SmtpError;
  if (code !== 'EENVELOPE') return [];
  return rejectedErrors.flatMap(({ recipient, responseCode = 0 }) =>
    recipient === undefined ? [] : [{ address: recipient, code: responseCode }],
  );
}

interface SmtpError {
  code?: string;
  /** The system's code, where nodemailer put its own in front. */
  originalCode?: string;
  command?: string;
  responseCode?: number;
  recipient?: string;
  rejectedErrors?: SmtpError[];
}

/** Codes of nodemailer that no repeating helps, with what to do. */
const PERMANENT: Record<string, [reason: 'auth' | 'config', advice: string]> = {
  EAUTH: ['auth', 'the server refused user and password'],
  ENOAUTH: ['auth', 'the server offers no way to log in'],
  EOAUTH2: ['auth', 'the server refused the token'],
  ETLS: ['config', 'no trusted TLS connection; check port and certificate (port 465: TLS at once, others: STARTTLS)'],
  ECONFIG: ['config', 'the settings are not complete'],
  EREQUIRETLS: ['config', 'the server does not offer REQUIRETLS'],
};

/**
 * SMTP replies: 4xx is passing, 5xx permanent (RFC 5321 section 4.2.1). Only the code is told: a server's own words
 * may repeat what was sent to it.
 */
export function fromSmtp(error: unknown, signal: AbortSignal): Outcome {
  const { code = '', command = '', originalCode = '', responseCode, rejectedErrors } = error as SmtpError;
  if (signal.aborted || code === 'EABORT') return retry('timeout', 'no answer within the timeout', { ambiguous: true });
  const codes = (rejectedErrors ?? []).map((one) => one.responseCode ?? 0);
  const reply = codes.find((one) => one >= 400 && one < 500) ?? responseCode ?? codes[0];
  const at = command === '' ? '' : ` at ${command}`;
  if (reply !== undefined && reply >= 400 && reply < 500) {
    return retry('server', `SMTP ${reply}${at}`);
  }
  const permanent = Object.hasOwn(PERMANENT, code) ? PERMANENT[code] : undefined;
  if (permanent) return rejected(permanent[0], `SMTP ${reply ?? code}${at}: ${permanent[1]}`);
  if (reply !== undefined && reply >= 500) return fromReply(reply, command);
  if (code === 'EENVELOPE' || code === 'EMESSAGE') return rejected('config', `SMTP ${code}${at}`);
  if (code === 'EPROTOCOL')
    return retry('server', `SMTP ${reply ?? code}${at}: not an answer of SMTP`, { ambiguous: true });
  if (/CERT|SELF_SIGNED|ERR_TLS|ERR_SSL/.test(originalCode)) {
    return rejected('config', `no trusted TLS connection (${originalCode}); check host, port and certificate`);
  }
  return fromError(originalCode === '' ? error : Object.assign(new Error(), { code: originalCode }), signal);
}

function fromReply(reply: number, command: string): Outcome {
  const at = command === '' ? '' : ` at ${command}`;
  if (reply === 530 || reply === 534 || reply === 535 || reply === 538) return rejected('auth', `SMTP ${reply}${at}`);
  if (command === 'RCPT TO') return rejected('config', `SMTP ${reply}${at}: every recipient was refused`);
  if (command === 'MAIL FROM') return rejected('config', `SMTP ${reply}${at}: the From address was refused`);
  return rejected('payload', `SMTP ${reply}${at}: the message was refused`);
}
