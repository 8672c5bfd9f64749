import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  alertLine,
  clip,
  clipEscaped,
  commonPattern,
  escapeHtml,
  escapeMrkdwn,
  factsOf,
  oneLine,
  safeLink,
  several,
  tidy,
  toneOf,
  utc,
} from '../../src/core/text.ts';
import { noticeOf, sampleAlert, sampleNotice } from '../support/notices.ts';

describe('clip', () => {
  it('counts code points, and ends in … where it cut', () => {
    expect(clip('🔥🔥🔥🔥', 4)).toBe('🔥🔥🔥🔥');
    expect(clip('🔥🔥🔥🔥', 3)).toBe('🔥🔥…');
    expect(clip('abc', 0)).toBe('');
  });

  it('never gives more than it was allowed, nor half a character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(20), (text, max) => {
        const clipped = clip(text, max);
        expect([...clipped].length).toBeLessThanOrEqual(max);
        expect(clipped.isWellFormed()).toBe(true);
      }),
    );
  });
});

describe('clipEscaped', () => {
  it('never cuts an entity in two, and counts what is sent', () => {
    expect(clipEscaped('a<b', 6, escapeMrkdwn)).toBe('a&lt;b');
    expect(clipEscaped('a<bc', 6, escapeMrkdwn)).toBe('a&lt;…');
    expect(clipEscaped('a<bc', 5, escapeMrkdwn)).toBe('a…');
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('<', '&', 'a', '🔥') }), fc.nat(30), (text, max) => {
        const clipped = clipEscaped(text, max, escapeMrkdwn);
        expect(clipped.length).toBeLessThanOrEqual(max);
        expect(clipped.replace(/&(lt|amp);/g, '')).not.toMatch(/[&<;]/);
        expect(clipped.isWellFormed()).toBe(true);
      }),
    );
  });
});

describe('tidy and oneLine', () => {
  it('take away what drives a terminal, breaks a header or turns a line around', () => {
    expect(tidy('a\u001b[2J\u0000b\r\nc\u202ed\ud800')).toBe('a[2Jb\ncd\ufffd');
    expect(oneLine(' Subject\r\nBcc: x\t y\u2028z ')).toBe('Subject Bcc: x y z');
  });

  it('leave what people write alone', () => {
    expect(tidy('디스크 가득 👨‍👩‍👧 ñ\n\tnext')).toBe('디스크 가득 👨‍👩‍👧 ñ\n\tnext');
  });
});

describe('escaping', () => {
  it('makes markup of nobody’s text', () => {
    expect(escapeHtml(`<a href="x" title='y'>&`)).toBe('&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;');
    expect(escapeMrkdwn('<!channel> & "x"')).toBe('&lt;!channel&gt; &amp; "x"');
  });
});

describe('safeLink', () => {
  it('lets http, https and mailto pass', () => {
    expect(safeLink('https://example.com/a b')).toBe('https://example.com/a%20b');
    expect(safeLink('mailto:ops@example.com')).toBe('mailto:ops@example.com');
  });

  it.each([
    'javascript:alert(1)',
    ' JaVaScRiPt:alert(1)',
    'data:text/html,x',
    'file:///etc/passwd',
    '/relative',
    '',
    'no url',
  ])('refuses %j', (url) => expect(safeLink(url)).toBeUndefined());
});

describe('commonPattern', () => {
  it.each([
    [['Disk full on web-1', 'Disk full on web-2'], 'Disk full on *'],
    [['web-1: disk full', 'web-2: disk full', 'db-1: disk full'], '* disk full'],
    [['Job a failed after 3 s', 'Job b failed after 9 s'], 'Job * failed after * s'],
    [['Build failed', 'Build of main failed'], 'Build * failed'],
    [['Disk full', 'Disk full'], 'Disk full'],
    [['디스크 부족 web-1', '디스크 부족 web-2'], '디스크 부족 *'],
  ])('finds in %j the pattern %j', (titles, pattern) => expect(commonPattern(titles)).toBe(pattern));

  it.each([[[]], [['Alone']], [['Disk full', 'CPU high']], [['a 1', 'a 2']], [['', '']]])(
    'finds nothing meaningful in %j',
    (titles) => expect(commonPattern(titles)).toBeUndefined(),
  );

  it('does not depend on how many titles there are', () => {
    const titles = Array.from({ length: 5_000 }, (_, index) => `Disk full on web-${index}`);
    expect(commonPattern(titles)).toBe('Disk full on *');
  });
});

describe('what a notice says', () => {
  it('says a time in UTC, and repeats what is none', () => {
    expect(utc('2026-01-15T23:32:00+09:00')).toBe('2026-01-15 14:32:00 UTC');
    expect(utc('yesterday')).toBe('yesterday');
  });

  it('names three values and counts the rest', () => {
    expect(several(['b', 'a', undefined, 'b', ''])).toBe('b, a');
    expect(several(['a', 'b', 'c', 'd', 'e'])).toBe('a, b, c and 2 more');
  });

  it('gives the sender’s own word beside ours, once', () => {
    const wordOf = (word: string) =>
      factsOf(sampleNotice({ alerts: [sampleAlert({ severity_word: word })] })).find(
        ([name]) => name === 'Severity',
      )?.[1];
    expect(wordOf('P0')).toBe('critical (P0)');
    expect(wordOf('Critical')).toBe('critical');
  });

  it('puts an alert on one line with its trace and request', () => {
    expect(alertLine(sampleAlert({ title: 'Disk\nfull', count: 3, trace_id: 't-1', request_id: 'r-1' }))).toBe(
      '[critical] Disk full (3 times, edge-1) trace t-1 request r-1',
    );
  });

  it('looks like the severity while open, and like the answer afterwards', () => {
    expect(toneOf(noticeOf('one'))).toMatchObject({ emoji: '🔴', colour: '#d72b3f', word: 'CRITICAL' });
    expect(toneOf(noticeOf('acknowledged')).emoji).toBe('👀');
    expect(toneOf(noticeOf('snoozed')).emoji).toBe('💤');
    expect(toneOf(noticeOf('resolved')).colour).toBe('#2eb67d');
    const failed = sampleNotice({ story: { name: 'job', phase: 'end', ok: false }, incident: { severity: 'error' } });
    expect(toneOf(failed).word).toBe('ERROR');
  });
});
