/** The terminal: the notification as a few lines for a person, so that a first run needs no account anywhere. */
import { z } from 'zod';
import { type Notice, REASONS } from '../core/notice.ts';
import { alertLine, answerOf, clip, factsOf, oneLine, plural, toneOf } from '../core/text.ts';
import { defineChannel, delivered, fromError } from './channel.ts';

/** A line longer than this is cut: a terminal is no place for a stack trace. */
const LINE_MAX = 160;
const ALERTS_MAX = 5;
const LINES_MAX = 10;

const config = z.strictObject({
  color: z
    .boolean()
    .default(true)
    .meta({ title: 'Colour', description: 'Paint the first line in the colour of the severity.' }),
});
type Config = z.output<typeof config>;

/** The facts that the first line and the list do not say already. */
const SAID_ELSEWHERE: ReadonlySet<string> = new Set(['Severity', 'Incident ID', 'Pattern']);

/**
 * The lines as printed, the last one ended by a newline: severity, headline and incident first, how to answer last.
 * Nothing a sender wrote can move the cursor or set a colour: control characters are gone.
 */
export function render(notice: Notice, { color }: Config): string {
  const { incident, alerts, more } = notice;
  const { emoji, word, colour } = toneOf(notice);
  const title = `${emoji} ${word}  ${clip(oneLine(notice.headline), LINE_MAX)}  (${oneLine(incident.id)})`;
  const facts = factsOf(notice)
    .filter(([name]) => !SAID_ELSEWHERE.has(name))
    .map(([name, value]) => `${name.toLowerCase()}: ${clip(value, 60)}`);
  const shown = alerts.length + more > 1 ? alerts.slice(0, ALERTS_MAX) : [];
  const left = alerts.length + more - shown.length;
  const answer = answerOf(notice);
  const lines = [
    ...notice.lines.slice(0, LINES_MAX).map((line) => clip(oneLine(line), LINE_MAX)),
    clip(facts.join(' · '), LINE_MAX * 2),
    ...shown.map((alert) => `• ${clip(alertLine(alert), LINE_MAX)}`),
    ...(shown.length > 0 && left > 0 ? [`… and ${plural(left, 'alert')} more`] : []),
    `why: ${REASONS[notice.reason]}`,
    ...(answer === undefined ? [] : [`acknowledge: ${answer}`]),
  ];
  return `${color ? paint(title, colour) : title}\n${lines.map((line) => `   ${line}\n`).join('')}`;
}

/** Bold, in 24-bit colour (ECMA-48 SGR 1 and 38;2): terminals without it show the text as it is. */
function paint(text: string, colour: string): string {
  const [red, green, blue] = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
  return `\u001b[1;38;2;${red};${green};${blue}m${text}\u001b[0m`;
}

export const stdout = defineChannel({
  id: 'stdout',
  name: 'Terminal',
  setup: 'Nothing to do: notifications appear where Tocsin was started.',
  config,
  sample: { color: false },
  can: { thread: false, update: false },
  patience: { timeout_ms: 1_000, max_attempts: 2, backoff_ms: 1_000 },

  async send({ config, notice, print, signal }) {
    const text = render(notice, config);
    try {
      print(text);
      return delivered();
    } catch (error) {
      return fromError(error, signal);
    }
  },
});
