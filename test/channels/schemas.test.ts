/** Every golden payload against what its vendor has published: schemas in the fakes, types of the vendors' own clients. */
import { readdirSync, readFileSync } from 'node:fs';
import type { ChatPostMessageArguments } from '@slack/web-api';
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest';
import type { SlackMessage } from '../../src/core/blocks.ts';
import { type FakeDiscord, startFakeDiscord } from '../support/fakes/discord.ts';
import { type FakeTeams, startFakeTeams } from '../support/fakes/teams.ts';
import { type FakeTwilio, startFakeTwilio } from '../support/fakes/twilio.ts';
import { goldensIn } from '../support/golden.ts';

const json = { 'content-type': 'application/json' };

describe('Teams, by the schema of Adaptive Cards 1.4', () => {
  let fake: FakeTeams;
  beforeAll(async () => {
    fake = await startFakeTeams();
  });
  afterAll(() => fake.close());
  const post = (body: unknown) =>
    fetch(fake.workflowUrl, { method: 'POST', headers: json, body: JSON.stringify(body) }).then(({ status }) => status);

  it.each(goldensIn('teams'))('takes the card %s', async (_name, card) => {
    expect(await post(card)).toBe(202);
  });

  it('refuses an element, a field and a word that the schema does not have', async () => {
    const card = (more: object, run: object = {}) => ({
      type: 'message',
      attachments: [
        {
          contentType: 'application/vnd.microsoft.card.adaptive',
          content: {
            type: 'AdaptiveCard',
            version: '1.4',
            body: [{ type: 'RichTextBlock', inlines: [{ type: 'TextRun', text: 'a', ...run }] }],
            ...more,
          },
        },
      ],
    });
    expect(await post(card({}))).toBe(202);
    expect(await post(card({ body: [{ type: 'Paragraph', text: 'a' }] }))).toBe(400);
    expect(await post(card({ footer: 'a' }))).toBe(400);
    expect(await post(card({}, { size: 'Huge' }))).toBe(400);
    expect(await post(card({ actions: [{ type: 'Action.OpenUrl', title: 'a', url: 'https://a.example/|' }] }))).toBe(
      400,
    );
  });
});

describe('Discord, by its own description of its API', () => {
  let fake: FakeDiscord;
  beforeAll(async () => {
    fake = await startFakeDiscord();
  });
  afterAll(() => fake.close());
  const send = async (method: string, path: string, body: unknown) => {
    const response = await fetch(`${fake.webhookUrl.replace('/api/', '/api/v10/')}${path}`, {
      method,
      headers: { ...json, 'user-agent': 'DiscordBot (https://tocsin.invalid, 1)' },
      body: JSON.stringify(body),
    });
    return { status: response.status, text: await response.text() };
  };

  it.each(goldensIn('discord'))('takes the message %s, and an edit to it', async (_name, message) => {
    const posted = await send('POST', '?wait=true&with_components=true', message);
    expect(posted).toMatchObject({ status: 200 });
    const { id } = JSON.parse(posted.text) as { id: string };
    expect(await send('PATCH', `/messages/${id}`, message)).toMatchObject({ status: 200 });
  });

  it.each([
    { content: 'a', colour: 'red' },
    { content: 'a', embeds: [{ title: 7 }] },
    { content: 'a', embeds: [{ fields: [{ name: 'a', value: 'b', inline: 'yes' }] }] },
    { content: 'a', allowed_mentions: { parse: ['nobody'] } },
    { content: 'a', embeds: [{ timestamp: '2026-01-15' }] },
  ])('refuses %j', async (message) => {
    expect((await send('POST', '', message)).status).toBe(400);
  });

  it('gives an edit no name of a thread', async () => {
    const { text } = await send('POST', '?wait=true', { content: 'a' });
    const { id } = JSON.parse(text) as { id: string };
    expect((await send('PATCH', `/messages/${id}`, { content: 'b', thread_name: 'c' })).status).toBe(400);
  });
});

describe('Twilio, by its own description of its API', () => {
  let fake: FakeTwilio;
  beforeAll(async () => {
    fake = await startFakeTwilio();
  });
  afterAll(() => fake.close());
  const send = (form: Record<string, string>) =>
    fetch(`${fake.apiUrl}/2010-04-01/Accounts/${fake.account}/Messages.json`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(`${fake.account}:${fake.authToken}`).toString('base64')}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: new URLSearchParams({ To: '+15551234567', From: fake.number, ...form }).toString(),
    }).then(({ status }) => status);

  it.each(goldensIn('sms'))('takes the message %s', async (_name, { body }) => {
    expect(await send({ Body: String(body) })).toBe(201);
  });

  it('refuses a field that its description does not have, and an address that is none', async () => {
    expect(await send({ Body: 'a', Urgency: 'high' })).toBe(400);
    expect(await send({ Body: 'a', StatusCallback: 'mailbox' })).toBe(400);
  });
});

type Blocks<T> = T extends { blocks?: (infer Block)[] } ? Block : never;
/** The client takes any `type` besides, for blocks that are newer than it: those are left out, or everything would fit. */
type Known<Block> = Block extends { type: infer Type } ? (string extends Type ? never : Block) : never;
type SlackBlock = Known<Blocks<ChatPostMessageArguments>>;
type OurBlock = SlackMessage['blocks'][number] | SlackMessage['attachments'][number]['blocks'][number];
/** Names of fields that Slack's block of the same type does not have. */
type Foreign<Block> = Block extends { type: infer Type }
  ? Exclude<keyof Block, keyof Extract<SlackBlock, { type: Type }>>
  : never;

describe('Slack, by the types of its own client', () => {
  it('knows every block that the rendering can make: tsc says so', () => {
    expectTypeOf<OurBlock>().toExtend<SlackBlock>();
    expectTypeOf<Foreign<OurBlock>>().toBeNever();
    expectTypeOf<{ type: 'section'; text: string }>().not.toExtend<SlackBlock>();
    expectTypeOf<Foreign<{ type: 'section'; texts: string }>>().toEqualTypeOf<'texts'>();
  });
});

describe('a copy of a vendor’s schema', () => {
  const SCHEMAS = new URL('../samples/schemas/', import.meta.url);
  const folders = readdirSync(SCHEMAS, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  const inFolder = (folder: string, file: string) => readFileSync(new URL(`${folder}/${file}`, SCHEMAS), 'utf8');
  /** What each of the licences we may copy under begins with. */
  const LICENCES: Record<string, RegExp> = {
    MIT: /Permission is hereby granted, free of charge/,
    'Apache-2.0': /Apache License\s+Version 2\.0, January 2004[\s\S]*END OF TERMS AND CONDITIONS/,
    'BSD-3-Clause': /Redistribution and use in source and binary forms/,
    ISC: /Permission to use, copy, modify, and\/or distribute/,
  };

  it('is there at all', () => {
    expect(folders.length).toBeGreaterThan(5);
  });

  it.each(folders)('of %s says where it is from, at which state, and has the licence beside it', (folder) => {
    const readme = inFolder(folder, 'README.md').replace(/\s+/g, ' ');
    expect(readme).toMatch(/https:\/\/|npm package/);
    expect(readme).toMatch(/\bcommit [0-9a-f]{40}\b|`@?[\w/-]+` \d+\.\d+\.\d+/);
    const licence = Object.keys(LICENCES).find((name) => new RegExp(`\\b${name}\\b`).test(readme));
    expect(licence, `${folder}/README.md names no licence that allows a copy`).toBeDefined();
    const text = inFolder(folder, 'LICENSE');
    expect(text).toMatch(LICENCES[licence ?? ''] as RegExp);
    expect(text).toMatch(/Copyright/);
    // Every file is told of.
    for (const file of readdirSync(new URL(`${folder}/`, SCHEMAS))) {
      if (file !== 'README.md' && file !== 'LICENSE') expect(readme).toContain(`\`${file}\``);
    }
  });
});
