/** Golden files: what is rendered, as it was when somebody read it. `GOLDEN=write` renews them. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';

/** Holds `rendered`, as JSON, to test/golden/`path`.json. */
export function expectGolden(path: string, rendered: unknown): void {
  const text = `${JSON.stringify(rendered, null, 2)}\n`;
  const file = new URL(`../golden/${path}.json`, import.meta.url);
  if (process.env.GOLDEN === 'write') {
    mkdirSync(new URL('.', file), { recursive: true });
    writeFileSync(file, text);
  }
  expect(existsSync(file), `no golden file ${path}.json: run with GOLDEN=write and read it`).toBe(true);
  expect(text).toBe(readFileSync(file, 'utf8'));
}

/** What one file holds: the rendering of its one case, or a list of those that are alike, each with its name. */
export const allOf = <Case extends string>(cases: readonly Case[], render: (name: Case) => unknown): unknown => {
  const [first, ...others] = cases;
  return first !== undefined && others.length === 0
    ? render(first)
    : cases.map((name) => ({ case: name, rendered: render(name) }));
};

/** Every golden rendering in a folder of test/golden, by the name of its file, and of its case where a file has several. */
export const goldensIn = (folder: string): [name: string, rendered: Record<string, unknown>][] =>
  readdirSync(new URL(`../golden/${folder}/`, import.meta.url), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .flatMap((name): [string, Record<string, unknown>][] => {
      const value: unknown = JSON.parse(readFileSync(new URL(`../golden/${folder}/${name}`, import.meta.url), 'utf8'));
      return Array.isArray(value)
        ? value.map((one) => [`${name} ${one.case}`, one.rendered])
        : [[name, value as Record<string, unknown>]];
    });
