/** Which integrations are told besides others, by kind of event: the names that mail templates have under `sms`. */
import type { AllBesides, Besides } from '../core/besides.ts';
import type { Routing } from '../core/route.ts';
import { unusual } from './compile.ts';
import type { Integration, Kind } from './integrations.ts';
import { type Problem, unknownName } from './problems.ts';
import type { Path } from './secrets.ts';

/** The type of those that are told besides. */
export const BESIDES_TYPE = 'sms';

/** Every name that an integration wants told besides, and where it says so; `true` is the only one of its type. */
export function besidesNamed(
  integrations: Iterable<Integration>,
  kinds: readonly Kind[],
): { to: string | true; path: Path }[] {
  return [...integrations].flatMap((integration) =>
    wishesOf(integration, kinds).flatMap(({ to, path }) =>
      to === undefined ? [] : [{ to, path: ['integrations', integration.name, ...path] }],
    ),
  );
}

/** Why `true` names nobody; undefined where it does. `names`: all of that type. */
export const onlyProblem = (names: readonly string[]): string | undefined =>
  names.length === 1
    ? undefined
    : `true stands for the only integration of type ${BESIDES_TYPE}, and there is ${names.length === 0 ? 'none' : names.join(', ')}: name the one that is to be told`;

/** What is wrong with whom a stored integration wants told besides; `types` are all integrations by name. */
export function besidesProblems(
  integration: Integration,
  types: ReadonlyMap<string, string>,
  kinds: readonly Kind[],
): Problem[] {
  const ofType = [...types].flatMap(([name, type]) => (type === BESIDES_TYPE ? [name] : []));
  return besidesNamed([integration], kinds).flatMap(({ to, path }) => {
    const problem =
      to === true
        ? onlyProblem(ofType)
        : ofType.includes(to)
          ? undefined
          : unknownName(`integration of type ${BESIDES_TYPE}`, to, ofType);
    return problem === undefined ? [] : [{ path: ['config', ...path.slice(2)], problem }];
  });
}

/** The routing with whom each of these integrations brings with it; without anybody it stays as it is. */
export function withBesidesOf(routing: Routing, ...known: Parameters<typeof besidesOf>): Routing {
  const { besides: _, ...rest } = routing;
  const besides = besidesOf(...known);
  return besides.size === 0 ? rest : { ...rest, besides };
}

/** One that is switched off brings nobody; `true` is the only one of the file, else the only one. */
function besidesOf(
  integrations: readonly Integration[],
  file: ReadonlyMap<string, Integration>,
  kinds: readonly Kind[],
): AllBesides {
  const byName = new Map(integrations.map((one) => [one.name, one]));
  const ofType = integrations.filter(({ type }) => type === BESIDES_TYPE).map(({ name }) => name);
  const ofFile = ofType.filter((name) => file.has(name));
  const [only, ...others] = ofFile.length > 0 ? ofFile : ofType;
  const all = new Map<string, Besides[]>();
  for (const integration of integrations) {
    const wishes = integration.enabled ? wishesOf(integration, kinds) : [];
    if (wishes.every(({ to }) => to === undefined)) continue;
    const besides = wishes.map(({ kind, to }): Besides => {
      const name = to === true ? (others.length === 0 ? only : undefined) : to;
      if (name === undefined) return { kind };
      const patience = byName.get(name)?.patience;
      const own = patience && unusual(patience);
      return { kind, to: name, ...(own ? { patience: own } : {}) };
    });
    all.set(integration.name, besides);
  }
  return all;
}

const wishesOf = ({ type, config }: Integration, kinds: readonly Kind[]) =>
  kinds.find(({ id }) => id === type)?.besides?.(config) ?? [];
