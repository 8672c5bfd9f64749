/** The text of tocsin.yaml as a value, with its variables filled in and the line of everything remembered. */
import { isCollection, isMap, isPair, isScalar, LineCounter, type Node, parseDocument, visit } from 'yaml';
import type { Problem } from './problems.ts';
import { type Environment, looksSecret, type Path, readVariable } from './secrets.ts';

export interface Document {
  /** What was written, variables filled in. */
  value: unknown;
  problems: Problem[];
  /** `line 12`, or the name of the environment variable, of the nearest thing to `path` that was written. */
  whereIs(path: Path): string | undefined;
  /** Whether the value at `path` came from a variable: never shown, and `"587"` may stand for 587. */
  isFilledIn(path: Path): boolean;
  /** Values out of variables that are secret by their name or came out of a file. */
  secrets: string[];
}

/** `${NAME}`; a dollar is kept from being one by doubling it. */
const VARIABLE = /\$\$\{|\$\{([^}]*)\}/g;

/**
 * Reads YAML 1.2. `${NAME}` in a value takes the variable NAME, or the content of the file in NAME_FILE; `$${` stands for
 * `${`. What cannot be read is a problem with its line; the parser's own sentences are used, its excerpts of the text are not.
 */
export function readDocument(text: string, env: Environment): Document {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const problems: Problem[] = [];
  const filledIn = new Set<string>();
  const secrets: string[] = [];
  const lineOf = (offset: number): string => `line ${lines.linePos(offset).line}`;

  for (const error of document.errors)
    problems.push({ path: [], problem: `${lineOf(error.pos[0])}: ${error.message}` });
  if (problems.length > 0)
    return { value: undefined, problems, whereIs: () => undefined, isFilledIn: () => false, secrets };

  visit(document, {
    Scalar(key, node, ancestors) {
      if (key === 'key' || typeof node.value !== 'string' || !node.value.includes('${')) return;
      const path = pathOf(node, ancestors);
      node.value = node.value.replace(VARIABLE, (whole, name: string | undefined) => {
        if (name === undefined) return '${';
        if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
          problems.push({
            path,
            problem: `${whole} does not name a variable: letters, digits and _ between the braces (a placeholder doubles its $)`,
          });
          return '';
        }
        const variable = readVariable(env, name);
        if (variable === undefined || 'problem' in variable) {
          problems.push({
            path,
            problem: variable?.problem ?? `the variable ${name} is not set, and ${name}_FILE neither`,
          });
          return '';
        }
        if (variable.fromFile || looksSecret(name)) secrets.push(variable.value);
        return variable.value;
      });
      filledIn.add(JSON.stringify(path));
    },
  });

  let value: unknown;
  try {
    value = document.toJS();
  } catch (error) {
    problems.push({ path: [], problem: error instanceof Error ? error.message : String(error) });
  }
  const whereIs = (path: Path): string | undefined => {
    const offset = offsetOf(document.contents, path);
    return offset === undefined ? undefined : lineOf(offset);
  };
  return { value, problems, whereIs, isFilledIn: (path) => filledIn.has(JSON.stringify(path)), secrets };
}

/** The keys and indices that lead to a node, out of the nodes above it. */
function pathOf(node: unknown, ancestors: readonly unknown[]): Path {
  const path: Path = [];
  [...ancestors, node].forEach((step, at, all) => {
    const above = all[at - 1];
    if (isPair(step)) path.push(isScalar(step.key) ? String(step.key.value) : String(step.key));
    else if (isCollection(above) && !isMap(above)) path.push(above.items.indexOf(step));
  });
  return path;
}

/** Where the deepest part of `path` that was written begins. */
function offsetOf(root: Node | null, path: Path): number | undefined {
  let node: unknown = root;
  let offset = root?.range?.[0];
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      if (!pair) break;
      if (isScalar(pair.key)) offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else if (isCollection(node) && typeof step === 'number') {
      node = node.items[step];
      offset = (node as Node | undefined)?.range?.[0] ?? offset;
    } else break;
  }
  return offset;
}
