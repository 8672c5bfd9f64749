/** Boxes of secrets: they open with a key of the list, in the row that they were sealed for, unchanged; else not at all. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createSealer, newSealingKey } from '../../src/ledger/sealing.ts';

const [old, young] = [newSealingKey(), newSealingKey()];
const SECRET = 'xoxb-a-secret-ü-👍-with\u0000everything';
const ROW = 'integrations/ops/slack';

describe('a box', () => {
  it('opens to what was sealed, whatever its letters, and shows nothing of it', () => {
    const sealer = createSealer(old);
    for (const secret of [SECRET, '', 'x'.repeat(100_000)]) {
      const box = sealer.seal(secret, ROW);
      expect(sealer.open(box, ROW)).toBe(secret);
      expect(box).toMatch(/^v1\.[0-9a-f]{8}\.[\w-]+$/);
    }
    expect(Buffer.from(sealer.seal(SECRET, ROW).split('.')[2] ?? '', 'base64url').includes('xoxb')).toBe(false);
  });

  it('is another each time', () => {
    const sealer = createSealer(old);
    expect(new Set(Array.from({ length: 50 }, () => sealer.seal(SECRET, ROW))).size).toBe(50);
  });

  it('does not open in another row, of another name or another type', () => {
    const sealer = createSealer(old);
    const box = sealer.seal(SECRET, ROW);
    for (const other of ['integrations/ops/webhook', 'integrations/oops/slack', 'integrations/ops/slack ', ''])
      expect(sealer.open(box, other)).toBeUndefined();
  });

  it('that was changed anywhere does not open', () => {
    const sealer = createSealer(old);
    const box = sealer.seal('short', ROW);
    const [format, id, body = ''] = box.split('.');
    const bytes = Buffer.from(body, 'base64url');
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(sealer.open(`${format}.${id}.${changed.toString('base64url')}`, ROW)).toBeUndefined();
    }
    for (const other of [
      '',
      '.',
      'v1',
      `v1.${id}`,
      `v1.${id}.`,
      `v1.${id}.AAAA`,
      `v2.${id}.${body}`,
      `${box}.x`,
      'v1..x',
    ])
      expect(sealer.open(other, ROW)).toBeUndefined();
  });

  it('cut short does not open: the whole tag is asked for', () => {
    const sealer = createSealer(old);
    const [format, id, body = ''] = sealer.seal('a longer secret', ROW).split('.');
    const bytes = Buffer.from(body, 'base64url');
    for (let length = 0; length < bytes.length; length++)
      expect(sealer.open(`${format}.${id}.${bytes.subarray(0, length).toString('base64url')}`, ROW)).toBeUndefined();
  });
});

describe('a list of keys', () => {
  it('seals with the first and opens with every one', () => {
    const before = createSealer(old);
    const both = createSealer(`${young}\n${old}\n`);
    const box = before.seal(SECRET, ROW);
    expect(both.open(box, ROW)).toBe(SECRET);
    expect([before.isNewest(box), both.isNewest(box)]).toEqual([true, false]);
    const again = both.seal(SECRET, ROW);
    expect(both.isNewest(again)).toBe(true);
    expect(before.open(again, ROW)).toBeUndefined();
    expect(createSealer(young).open(again, ROW)).toBe(SECRET);
    expect(createSealer(young).open(box, ROW)).toBeUndefined();
  });

  it('may be written on lines or with spaces between', () => {
    expect(createSealer(`  ${young}   ${old}\r\n\n`).open(createSealer(old).seal(SECRET, ROW), ROW)).toBe(SECRET);
  });

  it.each([
    ['nothing', ''],
    ['a word', 'hunter2'],
    ['a key that is too short', randomBytes(16).toString('base64')],
    ['a key that is too long', randomBytes(33).toString('base64')],
    ['a key with something before it', `key:${old}`],
    ['a key in hex', randomBytes(32).toString('hex')],
  ])('with %s is refused, without what was given', (_words, entry) => {
    const given = entry === '' ? '' : `${young}\n${entry}`;
    const refusal = () => createSealer(given);
    expect(refusal).toThrow(entry === '' ? 'has no key' : 'has no key in place 2: a key is 32 bytes in base64');
    if (entry !== '') expect(refusal).not.toThrow(entry);
  });

  it('has new keys that are keys, each another', () => {
    expect(Buffer.from(newSealingKey(), 'base64')).toHaveLength(32);
    expect(newSealingKey()).not.toBe(newSealingKey());
  });
});
