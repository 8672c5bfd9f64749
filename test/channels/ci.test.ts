/** CI events on every channel: the fields of seed 003 by name, and its links as buttons where there are any. */
import { describe, expect, it } from 'vitest';
import type { Channel } from '../../src/channels/channel.ts';
import { channels } from '../../src/channels/index.ts';
import { ciFactsOf } from '../../src/core/ci.ts';
import type { Notice } from '../../src/core/notice.ts';
import { type CiCase, ciCases, ciEvent, ciGoldenFiles, ciNotice } from '../support/ci-notices.ts';
import { allOf, expectGolden } from '../support/golden.ts';

type Render = (notice: Notice, config: Record<string, unknown>) => unknown;
const renders = new Map<string, (name: CiCase) => unknown>();
for (const { id, config, sample } of channels as unknown as Channel[]) {
  const { render } = (await import(`../../src/channels/${id}.ts`)) as { render: Render };
  renders.set(id, (name) => render(ciNotice(name), config.parse(sample)));
}
const textOf = (id: string, name: CiCase): string => JSON.stringify(renders.get(id)?.(name));

/** Where a person reads the whole message. */
const READ_BY_PEOPLE = ['slack', 'slack-webhook', 'discord', 'teams', 'telegram', 'email', 'jira', 'apprise'];

describe.each([...renders.keys()])('a CI event on %s', (id) => {
  it.each(ciGoldenFiles)('is as in its golden file: %s', (file, cases) => {
    expectGolden(
      `${id}/ci/${file}`,
      allOf(cases, (name) => renders.get(id)?.(name)),
    );
  });
});

describe.each(READ_BY_PEOPLE)('a CI event read on %s', (id) => {
  it.each(ciCases)('names each of its fields and leads to each of its addresses: %s', (name) => {
    const text = textOf(id, name);
    for (const [fact] of ciFactsOf(ciEvent(name))) expect(text).toContain(fact);
    for (const { title, url } of ciNotice(name).links) {
      expect(text).toContain(title);
      expect(text).toContain(url);
    }
  });
});
