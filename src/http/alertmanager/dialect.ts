/** How Alertmanager's API v2 tells what went wrong: `{code, message}` as go-openapi writes it, or a text alone from its own handlers. */
import type { Answer, Dialect } from '../endpoint.ts';

/** The version whose API this is; amtool warns where its own differs in the first two numbers. */
export const SPOKEN_VERSION = '0.25.0';

/** What Karma recognises an Alertmanager by in /metrics (prymitive/karma, internal/alertmanager). */
export const SPOKEN_VERSION_METRIC = `# HELP alertmanager_build_info The version of Alertmanager whose API v2 is spoken here
# TYPE alertmanager_build_info gauge
alertmanager_build_info{version="${SPOKEN_VERSION}"} 1
`;

/** Problems that no handler has told itself: of the request, of its key, of the ledger. */
export const alertmanagerSays: Dialect = ({ headers }, { status, detail }, { method, path }) => {
  switch (status) {
    case 404:
      return refused(404, `path ${path} was not found`);
    case 405: {
      const allowed = (headers.allow ?? '').split(', ').sort().join(',');
      return refused(405, `method ${method} is not allowed, but [${allowed}] are`);
    }
    default:
      return refused(status, detail);
  }
};

/** A request that is not as the API's description has it: codes from 600 on are kinds of wrong values, answered 422. */
export const refused = (code: number, message: string): Answer => ({
  status: code >= 600 ? 422 : code,
  body: { code, message },
});

/** What a handler itself has to say: a text alone. */
export const said = (status: number, text: string): Answer => ({ status, body: text });
