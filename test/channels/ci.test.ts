/** CI events on the channels people read them in: the fields of seed 003 by name, and its links as buttons. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Channel } from '../../src/channels/channel.ts';
import { channelOf } from '../../src/channels/index.ts';
import { ciFactsOf } from '../../src/core/ci.ts';
import type { Notice } from '../../src/core/notice.ts';
import { ciCases, ciEvent, ciNotice } from '../support/ci-notices.ts';

type Render = (notice: Notice, config: Record<string, unknown>) => unknown;
const READ_BY_PEOPLE = ['slack', 'slack-webhook', 'discord', 'teams', 'telegram', 'email'];
const rendered: { id: string; name: string; text: string }[] = [];
for (const id of READ_BY_PEOPLE) {
  const { render } = (await import(`../../src/channels/${id}.ts`)) as { render: Render };
  const channel = channelOf(id) as Channel;
  const config = channel.config.parse(channel.sample);
  for (const name of ciCases)
    rendered.push({ id, name, text: `${JSON.stringify(render(ciNotice(name), config), null, 2)}\n` });
}

describe('a CI event', () => {
  it.each(rendered)('$name is on $id as in its golden file', ({ id, name, text }) => {
    const file = new URL(`../golden/${id}/ci/${name}.json`, import.meta.url);
    if (process.env.GOLDEN === 'write') {
      mkdirSync(new URL('.', file), { recursive: true });
      writeFileSync(file, text);
    }
    expect(existsSync(file), `no golden file ${id}/ci/${name}.json: run with GOLDEN=write and read it`).toBe(true);
    expect(text).toBe(readFileSync(file, 'utf8'));
  });

  it.each(rendered)('$name names each of its fields on $id, and leads to each of its addresses', ({ name, text }) => {
    for (const [fact] of ciFactsOf(ciEvent(name))) expect(text).toContain(fact);
    for (const { title, url } of ciNotice(name).links) {
      expect(text).toContain(title);
      expect(text).toContain(url);
    }
  });
});
