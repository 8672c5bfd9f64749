/** The thread that mappings are evaluated in: it parses the payload, runs the expressions over it, and answers with JSON. */
import { parentPort } from 'node:worker_threads';
import expressionOf, { type Expression } from 'jsonata';
import type { Answered, Asked, Mapped } from './evaluate.ts';
import { inWords, type Plan } from './plan.ts';

if (!parentPort) throw new Error('this file is run as a worker thread');
const port = parentPort;

// A name as any other from here on: nothing that a payload says can reach a prototype by it.
Reflect.deleteProperty(Object.prototype, '__proto__');

/** Entries of a list, and how deep functions may call each other. JSONata itself allows ten million and no end. */
const LIMITS = { sequence: 100_000, stack: 300 };
/** What one text may be padded to; longer than any field keeps. */
const PADDED_MAX = 100_000;
/** Expressions that are kept compiled: those of every mapping of a configuration. */
const COMPILED_MAX = 2_000;
/** Characters of an answer: as much as a whole message may have bytes. */
const ANSWER_MAX = 5 * 1024 * 1024;

const compiled = new Map<string, Expression>();

function compile(written: string): Expression {
  const known = compiled.get(written);
  if (known) return known;
  const made = expressionOf(written, LIMITS);
  made.registerFunction('eval', () => {
    throw new Error('$eval is not to be had here');
  });
  // A text of hundreds of millions of characters, taken apart, would end the whole process: V8 gives up then.
  made.registerFunction('pad', (text?: string, width = 0, filler?: string) => {
    if (Math.abs(width) > PADDED_MAX) throw new Error(`$pad is for at most ${PADDED_MAX} characters`);
    return width < 0 ? text?.padStart(-width, filler) : text?.padEnd(width, filler);
  });
  if (compiled.size >= COMPILED_MAX) compiled.clear();
  compiled.set(written, made);
  return made;
}

async function mapped(plan: Plan, payload: unknown): Promise<Mapped> {
  const found: unknown = plan.items === undefined ? [payload] : await at('items', plan.items, payload, { payload });
  if (found === undefined) return { problem: 'items finds nothing in what was posted', entries: [] };
  const entries: Mapped['entries'] = [];
  for (const [index, entry] of (Array.isArray(found) ? found : [found]).entries()) {
    const bindings = { payload, index };
    try {
      if (plan.when !== undefined && !isTrue(await at('when', plan.when, entry, bindings))) continue;
      const values: Record<string, unknown> = {};
      for (const [name, written] of Object.entries(plan.fields))
        values[name] = await at(`each.${name}`, written, entry, bindings);
      entries.push({ index, values });
    } catch (error) {
      entries.push({ index, problem: inWords(error) });
    }
  }
  return { entries };
}

/** Throws with the place of the expression. */
async function at(place: string, written: string, input: unknown, bindings: Record<string, unknown>): Promise<unknown> {
  try {
    const value: unknown = await compile(written).evaluate(input, bindings);
    if (isFunction(value)) throw new Error('gives a function, which is no value');
    return value;
  } catch (error) {
    throw new Error(`${place}: ${inWords(error)}`);
  }
}

const isFunction = (value: unknown): boolean =>
  typeof value === 'function' ||
  (typeof value === 'object' && value !== null && ('_jsonata_lambda' in value || '_jsonata_function' in value));

/** As JSONata's own $boolean, for what a condition gives: an empty list or text does not hold. */
const isTrue = (value: unknown): boolean => (Array.isArray(value) ? value.some(isTrue) : Boolean(value));

async function answerTo({ id, plan, text }: Asked): Promise<void> {
  try {
    const payload: unknown = JSON.parse(text);
    for (const written of [plan.items, plan.when, ...Object.values(plan.fields)])
      if (written !== undefined) compile(written);
    const { user, system } = process.threadCpuUsage();
    answer({ id, begun: user + system });
    const json = JSON.stringify(await mapped(plan, payload));
    if (json.length > ANSWER_MAX) throw new Error(`it makes more than ${ANSWER_MAX} characters of the payload`);
    answer({ id, json });
  } catch (error) {
    answer({ id, problem: inWords(error) });
  }
}

const answer = (answered: Answered): void => port.postMessage(answered);

port.on('message', (asked: Asked) => void answerTo(asked));
