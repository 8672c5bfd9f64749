/** The log: JSON lines by pino, every one of them through our redaction before it is written. */
import { type DestinationStream, destination as fileDestination, type LevelWithSilent, type Logger, pino } from 'pino';
import { createRedactor, type Redactor } from './redact.ts';

export type Log = Logger;
export type LogLevel = LevelWithSilent;

/** File descriptor 1. */
const STDOUT = 1;

/**
 * A pino logger whose lines hold no secret, wherever it was: in a field at any depth, in the message, in an error or a
 * child logger's bindings.
 * @param input.secrets live secrets, or a redactor to which more are added later.
 * @param input.destination where whole lines go; stdout unless given.
 */
export function createLog(input: {
  level: LogLevel;
  secrets: readonly string[] | Redactor;
  destination?: DestinationStream;
}): Log {
  const { level, secrets } = input;
  const redactor = 'text' in secrets ? secrets : createRedactor(secrets);
  const out = input.destination ?? fileDestination({ dest: STDOUT, sync: true });
  const plain = (fields: Record<string, unknown>): Record<string, unknown> =>
    redactor.value(fields) as Record<string, unknown>;
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      // Here by name and structure …
      formatters: { level: (label) => ({ level: label }), log: plain, bindings: plain },
      serializers: { err: (err: unknown) => redactor.value(err) },
    },
    // … and here by value and shape, which also covers the message and its arguments.
    { write: (line: string) => void out.write(redactor.text(line)) },
  );
}
