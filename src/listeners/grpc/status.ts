/** Problems as gRPC tells them: a code, words, and the details that clients can read. */
import { fileURLToPath } from 'node:url';
import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader';
import type { Problem, ProblemKind } from '../../http/problem.ts';

/** Headers of HTTP/2 are bounded: clients in Go and Java refuse more than 8 KB of trailers (grpc/grpc-java, GrpcUtil). */
const FIELDS_MAX = 20;
const WORDS_MAX = 2_000;

/** By the meaning of each code (https://grpc.io/docs/guides/status-codes/). */
const CODES = {
  'bad-request': status.INVALID_ARGUMENT,
  invalid: status.INVALID_ARGUMENT,
  unauthenticated: status.UNAUTHENTICATED,
  forbidden: status.PERMISSION_DENIED,
  'not-found': status.NOT_FOUND,
  'method-not-allowed': status.UNIMPLEMENTED,
  conflict: status.FAILED_PRECONDITION,
  closed: status.FAILED_PRECONDITION,
  changed: status.ABORTED,
  'too-large': status.RESOURCE_EXHAUSTED,
  'media-type': status.INVALID_ARGUMENT,
  'too-many-requests': status.RESOURCE_EXHAUSTED,
  internal: status.INTERNAL,
  unavailable: status.UNAVAILABLE,
} as const satisfies Record<ProblemKind, status>;

const messages = loadSync(fileURLToPath(new URL('./status.proto', import.meta.url)), { keepCase: true });
const encoded = (name: string, value: object): Buffer =>
  (messages[`google.rpc.${name}`] as MessageTypeDefinition<object, object>).serialize(value);
const detail = (name: string, value: object) => ({
  type_url: `type.googleapis.com/google.rpc.${name}`,
  value: encoded(name, value),
});

/** The status of a call that failed. Where waiting helps, it says for how long, also to clients that retry by themselves (gRFC A6). */
export function statusOf(problem: Problem, request_id: string): Partial<StatusObject> {
  const code = CODES[problem.kind];
  const errors = problem.errors.slice(0, FIELDS_MAX);
  const words =
    errors.length > 0 ? errors.map(({ field, problem: why }) => `${field} ${why}`.trim()).join('; ') : problem.message;
  const message = words.slice(0, WORDS_MAX);
  const metadata = new Metadata();
  metadata.set('x-request-id', request_id);
  const details: object[] = [];
  if (errors.length > 0) {
    const field_violations = errors.map(({ field, problem: description }) => ({ field, description }));
    details.push(detail('BadRequest', { field_violations }));
  }
  const after = Number(problem.headers['retry-after']);
  if (Number.isFinite(after) && after > 0) {
    details.push(detail('RetryInfo', { retry_delay: { seconds: after, nanos: 0 } }));
    metadata.set('grpc-retry-pushback-ms', String(after * 1_000));
  }
  if (details.length > 0) metadata.set('grpc-status-details-bin', encoded('Status', { code, message, details }));
  return { code, details: message, metadata };
}
