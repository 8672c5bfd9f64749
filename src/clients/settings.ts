/** Where a sender's Tocsin is and how it is spoken to: from the environment, read once. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export interface Settings {
  /** Without a slash at its end. */
  url: string;
  key: string;
  /** The folder in which events wait: one for each Tocsin, so that none is sent to another. */
  folder: string;
  /** How long a job that has ended waits for a server that is away, in milliseconds: 5 s unless TOCSIN_WAIT says other seconds. */
  waitMs: number;
  /** `production`, `staging`: a label of every event. */
  environment?: string;
}

const WAIT_S = 5;
/** A container that is stopped has 30 s or less (Amazon ECS, stopTimeout; Kubernetes, terminationGracePeriodSeconds). */
const WAIT_MAX_S = 30;

export type Env = Readonly<Record<string, string | undefined>>;

/**
 * TOCSIN_URL, TOCSIN_API_KEY (or TOCSIN_API_KEY_FILE), TOCSIN_SPOOL, TOCSIN_WAIT, and TOCSIN_ENVIRONMENT or ENVIRONMENT. The spool is
 * by default `tocsin/spool` in XDG_STATE_HOME (XDG Base Directory Specification 0.8: ~/.local/state). Where something is
 * missing or wrong the answer is a sentence for people, without any value that could be secret.
 */
export function settingsOf(env: Env): Settings | string {
  const { TOCSIN_URL: url = '', TOCSIN_API_KEY_FILE: file = '' } = env;
  if (url === '') return 'TOCSIN_URL is not set, such as https://tocsin.example.com';
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) return 'TOCSIN_URL is not an http or https address';
  const { host, pathname, username, password } = new URL(url);
  if (username || password) return 'TOCSIN_URL holds a login: give the key in TOCSIN_API_KEY';
  let key = env.TOCSIN_API_KEY ?? '';
  if (key === '' && file === '') return 'neither TOCSIN_API_KEY nor TOCSIN_API_KEY_FILE is set';
  if (key === '') {
    try {
      key = readFileSync(file, 'utf8').trim();
    } catch {
      return 'the file in TOCSIN_API_KEY_FILE cannot be read';
    }
  }
  if (!/^[\x21-\x7e]+$/.test(key)) return 'the API key is empty, or holds a space or a character beyond ASCII';
  const state = env.XDG_STATE_HOME || join(homedir(), '.local', 'state');
  const place = `${host}${pathname}`.replace(/\/+$/, '').replace(/[^\w.-]/g, '_');
  const wait = Number(env.TOCSIN_WAIT || WAIT_S);
  const environment = env.TOCSIN_ENVIRONMENT || env.ENVIRONMENT;
  return {
    url: url.replace(/\/+$/, ''),
    key,
    waitMs: 1_000 * Math.min(wait >= 0 ? wait : WAIT_S, WAIT_MAX_S),
    folder: join(env.TOCSIN_SPOOL || join(state, 'tocsin', 'spool'), place),
    ...(environment ? { environment } : {}),
  };
}
