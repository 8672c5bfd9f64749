import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fenced, link, md, plain } from '../../../src/channels/github/markdown.ts';

/** The text as a reader sees it: escapes and entities resolved, what shows nothing left out. */
const read = (markdown: string): string =>
  markdown
    .replace(/&#8203;/g, '\u200b')
    .replace(/&#36;/g, '$')
    .replace(/\\([!-/:-@[-`{-~])/g, '$1')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&amp;/g, '&');

describe('text in Markdown', () => {
  it.each([
    ['@acme/ops please', '@\u200bacme/ops please'],
    ['fixes #12', 'fixes #\u200b12'],
    ['closes GH-12 and gh-3', 'closes GH-\u200b12 and gh-\u200b3'],
    ['acme/shop#12, acme/shop@a1b2c3d', 'acme/shop#\u200b12, acme/shop@\u200ba1b2c3d'],
    ['see https://github.com/acme/shop/issues/1', 'see https:\u200b//github.com/acme/shop/issues/1'],
    ['www.example.com, ops@example.com', 'www\u200b.example.com, ops@\u200bexample.com'],
    ['_www.example.com_, ops@-example.com', '_www\u200b.example.com_, ops@\u200b-example.com'],
  ])('%s links and mentions nothing, as GitHub reads it after the Markdown', (text, shown) => {
    expect(read(md(text, 1_000))).toBe(shown);
  });

  it.each([
    ['| a | b |', '\\| a \\| b \\|'],
    ['<img src=x onerror=alert(1)>', '&lt;img src=x onerror=alert(1)&gt;'],
    ['![x](https://evil.example/p.png)', '!\\[x\\](https:&#8203;//evil.example/p.png)'],
    ['**bold** _it_ ~~no~~ `code`', '\\*\\*bold\\*\\* \\_it\\_ \\~\\~no\\~\\~ \\`code\\`'],
    ['# heading', '\\# heading'],
    ['$x^2$ \\frac', '&#36;x^2&#36; \\\\frac'],
    ['&lt;b&gt; &#64;ops', '&amp;lt;b&amp;gt; &amp;\\#&#8203;64;ops'],
    ['<!-- tocsin:state {} -->', '&lt;!-- tocsin:state {} --&gt;'],
    ['- item', '&#8203;- item'],
    ['1. item', '&#8203;1. item'],
    ['two\nlines', 'two lines'],
  ])('%s has no effect', (text, markdown) => {
    expect(md(text, 1_000)).toBe(markdown);
  });

  it('is never longer than allowed, ends in … where it was cut, and shows what was written', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), fc.integer({ min: 1, max: 40 }), (text, max) => {
        const markdown = md(text, max);
        expect(markdown.length).toBeLessThanOrEqual(max);
        expect(markdown.isWellFormed()).toBe(true);
        expect(markdown.replace(/&(lt|gt|amp|#36|#8203);/g, '')).not.toMatch(/[<>&$]|@\w|(^|[^\\])[|[\]]/);
      }),
    );
  });
});

describe('a link', () => {
  it('has an address that ends neither its brackets nor a cell of a table', () => {
    expect(link('Logs', 'https://ci.example.com/a|b(c)?x=1&copy=2<"', 100)).toBe(
      '[Logs](https://ci.example.com/a%7Cb%28c%29?x=1&amp;copy=2%3C%22)',
    );
  });

  it.each([['javascript:alert(1)'], ['mailto:ops@example.com'], ['data:text/html,x'], ['/relative'], [undefined]])(
    'to %s is its text alone',
    (url) => expect(link('Logs', url, 100)).toBe('Logs'),
  );

  it('that is too long for a table is its text alone', () => {
    expect(link('Logs', `https://ci.example.com/${'x'.repeat(600)}`, 100)).toBe('Logs');
  });

  it('to another issue leaves no note there', () => {
    expect(link('why', 'https://github.com/acme/shop/issues/1', 100)).toBe(
      '[why](https://redirect.github.com/acme/shop/issues/1)',
    );
    expect(link('run', 'https://github.com/acme/shop/actions/runs/1', 100)).toContain('(https://github.com/');
  });
});

describe('lines between fences', () => {
  it('cannot close them', () => {
    const shown = fenced('a\n````\n@ops\n', 100);
    expect(shown).toBe('`````text\na\n````\n@ops\n`````');
  });

  it('are cut to what is allowed', () => {
    expect(fenced('x'.repeat(500), 100)).toHaveLength(100 + '```text\n\n```'.length);
    expect(fenced('`'.repeat(5_000), 1_000).length).toBeLessThan(3_100);
  });
});

describe('plain text', () => {
  it('has none of the characters that GitHub refuses, and at most so many', () => {
    expect(plain('🚀 deployed\nto 𝕏 ✅', 100)).toBe('deployed to ✅');
    expect(plain('x'.repeat(200), 140)).toHaveLength(140);
  });
});
