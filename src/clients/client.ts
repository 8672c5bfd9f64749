/** The API of Tocsin as a typed client: paths, parameters, bodies and answers are known to the compiler. */
import createClient, { type Client } from 'openapi-fetch';
import type { paths } from './api.ts';

export type * from './api.ts';

/**
 * `await tocsin.GET('/v1/incidents', { params: { query: { status: 'open' } } })` gives `{ data }` or `{ error }`, a problem
 * (RFC 9457) that names the field; it throws only where Tocsin cannot be reached. `url` is without a path, or with the
 * one that a proxy puts before the API.
 */
export const createTocsin = ({ url, key }: { url: string; key: string }): Client<paths> =>
  createClient<paths>({ baseUrl: url.replace(/\/+$/, ''), headers: { authorization: `Bearer ${key}` } });
