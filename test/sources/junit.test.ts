import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ciFactsOf } from '../../src/core/ci.ts';
import { reportIn } from '../../src/sources/junit/report.ts';
import { junit } from '../../src/sources/junit.ts';
import { bytesOf, LIMITS, lengthOf, type Query } from '../../src/sources/source.ts';

const NOW = new Date('2026-11-20T14:05:00Z');
const QUERY = { repository: 'acme/shop', branch: 'basket', commit: 'a1b2c3d', pull_request: '7', workflow: 'CI' };
const sample = (name: string): Buffer => readFileSync(new URL(`../samples/junit/${name}.xml`, import.meta.url));

interface Upload {
  query?: Query;
  headers?: Record<string, string>;
  config?: object;
  now?: Date;
}
const upload = (report: Buffer | string, { query = QUERY, headers = {}, config = {}, now = NOW }: Upload = {}) =>
  junit.normalise(Buffer.from(report as string), {
    name: 'tests',
    config: junit.config.parse(config),
    now,
    headers,
    query,
  });
const only = (report: Buffer | string, more: Upload = {}) => {
  const { events, refused } = upload(report, more);
  expect([events.length, refused]).toEqual([1, undefined]);
  const [event] = events;
  if (!event) throw new Error('no event');
  return event;
};
const suite = (...tests: string[]): string => `<testsuite name="unit">${tests.join('')}</testsuite>`;
const GREEN = suite('<testcase name="adds"/>', '<testcase name="removes"/>');
const RED = suite('<testcase name="adds"><failure message="1 is not 2"/></testcase>', '<testcase name="removes"/>');

describe('a report with failed tests', () => {
  it('fires, and names them with all that leads to them', () => {
    const query = {
      ...QUERY,
      environment: 'ci',
      run_id: '118',
      run_number: '42',
      run_url: 'https://ci.example.com/118',
      started_at: '2026-11-20T14:00:00Z',
    };
    expect(only(sample('pytest'), { query })).toEqual({
      id: expect.stringMatching(/^junit\/acme%2Fshop\/basket\/CI\/pytest tests\/118\/[0-9a-f]{16}$/),
      source: 'junit',
      type: 'test_failure',
      title: 'pytest tests failed: 2 of 15 tests on basket of acme/shop',
      severity: 'error',
      body: 'tests.test_lib.test_always_fail: assert False\ntests.test_lib.test_error: Exception: error',
      service: 'acme/shop',
      components: [],
      labels: {
        repository: 'acme/shop',
        branch: 'basket',
        sha: 'a1b2c3d',
        pull_request: '7',
        environment: 'ci',
        workflow: 'CI',
        suite: 'pytest tests',
        run_id: '118',
        run_number: '42',
        tests_passed: '11',
        tests_failed: '2',
        tests_skipped: '2',
        tests_total: '15',
        duration: '19 ms',
      },
      context: {
        failed_tests: [
          { name: 'tests.test_lib.test_always_fail', message: 'assert False' },
          { name: 'tests.test_lib.test_error', message: 'Exception: error' },
        ],
      },
      assignees: [],
      links: [{ title: 'View Build', url: 'https://ci.example.com/118' }],
      status: 'firing',
      dedup_key: 'acme/shop/basket/CI/pytest tests',
      as_of: '2026-11-20T14:00:00Z',
    });
  });

  it('leads to its branch, its commit and its pull request, by the address of its run or as the build says', () => {
    const titled = (query: Query) =>
      Object.fromEntries(only(RED, { query: { ...QUERY, ...query } }).links.map(({ title, url }) => [title, url]));
    const place = { branch: 'fix/a#1', commit: 'a1b2c3d', pull_request: '7' };
    expect(titled({ ...place, run_url: 'https://github.com/acme/shop/actions/runs/118' })).toEqual({
      'View Build': 'https://github.com/acme/shop/actions/runs/118',
      'View PR': 'https://github.com/acme/shop/pull/7',
      Branch: 'https://github.com/acme/shop/tree/fix/a%231',
      Commit: 'https://github.com/acme/shop/commit/a1b2c3d',
    });
    expect(titled({ ...place, run_url: 'https://git.example.com/acme/shop/-/pipelines/118' })).toMatchObject({
      'View PR': 'https://git.example.com/acme/shop/-/merge_requests/7',
      Branch: 'https://git.example.com/acme/shop/-/tree/fix/a%231',
      Commit: 'https://git.example.com/acme/shop/-/commit/a1b2c3d',
    });
    // Elsewhere nobody knows where they are, unless the build says so.
    expect(titled({ ...place, run_url: 'https://github.com/acme/web/actions/runs/118' })).not.toHaveProperty('Commit');
    const branch_url = 'https://forge.example.com/acme/shop/branch/basket';
    expect(titled({ run_url: 'https://github.com/acme/shop/actions/runs/118', branch_url })).toMatchObject({
      Branch: branch_url,
    });
  });

  it('shows as every CI event does', () => {
    expect(Object.fromEntries(ciFactsOf(only(sample('pytest'))))).toMatchObject({
      Project: 'acme/shop',
      Suite: 'pytest tests',
      Tests: '11/15 (2 skipped)',
      'Failed Tests': 'tests.test_lib.test_always_fail, tests.test_lib.test_error',
      'Pull Request': '#7',
    });
  });

  it('is ended by a green one of the same repository, branch, workflow and suite, and by no other', () => {
    const red = only(RED);
    const green = only(GREEN);
    expect(green).toMatchObject({
      type: 'test_success',
      title: 'unit passed: 2 tests on basket of acme/shop',
      severity: 'info',
      status: 'resolved',
      dedup_key: red.dedup_key,
    });
    expect(green).not.toHaveProperty('context');
    for (const other of [{ branch: 'main' }, { repository: 'acme/web' }, { workflow: 'nightly' }, { suite: 'e2e' }])
      expect(only(GREEN, { query: { ...QUERY, ...other } }).dedup_key).not.toBe(red.dedup_key);
  });

  it('is told where in the code a single failure stands', () => {
    const at = '<testcase name="adds" file="src/a.ts" line="7"><failure/></testcase>';
    expect(only(suite(at)).labels).toMatchObject({ file: 'src/a.ts', line: '7' });
    expect(only(suite(at, at)).labels).not.toHaveProperty('file');
  });

  it('names no more than a message holds, and counts the rest', () => {
    const many = Array.from(
      { length: 300 },
      (_, index) => `<testcase name="t${index} ${'é'.repeat(900)}"><failure message="${'🔥'.repeat(900)}"/></testcase>`,
    );
    const event = only(suite(...many));
    expect(event.title).toContain('300 of 300 tests');
    expect(event.body?.split('\n')).toHaveLength(11);
    expect(event.body).toMatch(/\nand 290 more$/);
    expect(bytesOf(JSON.stringify(event.context))).toBeLessThanOrEqual(LIMITS.contextBytes);
    expect(event.context).toHaveProperty('failed_tests.0.name', expect.stringMatching(/^t0 é+…$/));
  });

  it('says of a traceback what was wrong', () => {
    const message =
      'Traceback (most recent call last):&#10;  File "a.py", line 7&#10;AssertionError: True is not false&#10;';
    const test = `<testcase classname="my.Foo" name="adds"><failure message='${message}'/></testcase>`;
    expect(only(suite(test)).body).toBe('my.Foo.adds: AssertionError: True is not false');
  });
});

describe('an upload', () => {
  it('of the same run again is the same event, and without a run is one of its own', () => {
    const later = new Date(NOW.getTime() + 1_000);
    const query = { ...QUERY, run_url: 'https://ci.example.com/118' };
    expect(only(RED, { query, now: later }).id).toBe(only(RED, { query }).id);
    expect(only(RED, { query: { ...QUERY, run_id: '119' } }).id).not.toBe(
      only(RED, { query: { ...QUERY, run_id: '118' } }).id,
    );
    expect(only(RED, { now: later }).id).not.toBe(only(RED).id);
  });

  it('may say whose it is in headers, which the address overrides', () => {
    const headers = { 'x-tocsin-repository': 'acme/shop', 'x-tocsin-pull-request': '9', 'x-tocsin-branch': 'main' };
    expect(only(RED, { query: { branch: 'basket' }, headers }).labels).toMatchObject({
      repository: 'acme/shop',
      pull_request: '9',
      branch: 'basket',
    });
  });

  it.each([
    ['says not whose it is', {}, /\?repository=/],
    ['has a parameter nobody knows', { ...QUERY, brnach: 'x' }, /means nothing here: there are repository, branch/],
    ['names no number of a pull request', { ...QUERY, pull_request: 'seven' }, /pull_request has to be a number/],
    ['was started at no time', { ...QUERY, started_at: 'yesterday' }, /started_at has to be a time/],
    ['gives a name twice', { ...QUERY, repository: ['a', 'b'] }, /\?repository=/],
  ])('that %s is refused with what would be right', (_, query, problem) => {
    expect(upload(RED, { query }).refused).toMatch(problem);
    expect(upload(RED, { query }).events).toEqual([]);
  });

  it('shows a token where there is one, and it is no parameter', () => {
    const token = 'a-token-of-the-build';
    const verify = (query: Query) => junit.verify(Buffer.alloc(0), {}, junit.config.parse({ token }), NOW, query);
    expect(verify({ token })).toBeUndefined();
    expect(verify({})).toBe('the token is missing or wrong');
    expect(JSON.stringify(only(RED, { query: { ...QUERY, token }, config: { token } }))).not.toContain(token);
  });

  it('that is green is told as well where successes are, as news that ends by itself', () => {
    expect(upload(GREEN, { config: { successes: true } }).events).toMatchObject([
      { status: 'resolved' },
      { status: 'firing', type: 'test_success', expires_at: '2026-11-20T15:05:00.000Z' },
    ]);
  });

  it('is known by its beginning', () => {
    const reads = (text: string) => junit.reads?.(Buffer.from(text), {});
    for (const text of ['<a/>', '\ufeff \n<?xml?>', ' <!-- x --><a/>']) expect(reads(text)).toBe('bytes');
    for (const text of ['', '{"a":"<b>"}', 'name=<a/>', 'PK\u0003\u0004<']) expect(reads(text)).toBe('unknown');
  });
});

describe('the reports of several runners', () => {
  it.each([
    ['pytest', { name: 'pytest tests', total: 15, failed: 2, skipped: 2, duration_ms: 19 }],
    ['jest', { name: 'jest tests', total: 6, failed: 4, skipped: 1 }],
    ['phpunit', { name: 'CLI Arguments', total: 12, failed: 2 }],
    ['testsuite-in-testsuite', { name: 'Project Test Suite', total: 5, failed: 0 }],
    ['with-xml-entities', { total: 4, failed: 2, skipped: 2 }],
    ['no-cases-but-tests', { total: 6, failed: 1, failures: [] }],
  ])('%s', (name, counts) => {
    expect(reportIn(sample(name))).toMatchObject(counts);
  });

  it('have their entities read once, and what is in CDATA not at all', () => {
    expect(
      reportIn(
        Buffer.from(
          suite(
            '<testcase name="&amp;lt; &#60;&#x3c; &quot;"><failure>&lt;a&gt;<![CDATA[&lt;b>]]></failure></testcase>',
          ),
        ),
      ),
    ).toMatchObject({ failures: [{ name: '&lt; << "', message: '<a>&lt;b>' }] });
    expect(reportIn(sample('with-xml-entities'))).toMatchObject({
      failures: [{ name: "Test with 'apostrophe' in the test name" }, { name: 'Test with & in the test name' }],
    });
  });

  it('are read in the encoding they are written in', () => {
    const named = (encoding: string) =>
      `<?xml version="1.0" encoding="${encoding}"?>${suite('<testcase name="é"><error/></testcase>')}`;
    const found = { failures: [{ name: 'é' }] };
    expect(reportIn(Buffer.from(named('ISO-8859-1'), 'latin1'))).toMatchObject(found);
    expect(reportIn(Buffer.from(`\ufeff${named('UTF-16')}`, 'utf16le'))).toMatchObject(found);
    expect(reportIn(Buffer.from(`\ufeff${named('UTF-8')}`))).toMatchObject(found);
    expect(reportIn(Buffer.from(named('UTF-8'), 'latin1'))).toMatch(/^it is not written in UTF-8/);
    expect(reportIn(Buffer.from(named('UTF-7')))).toMatch(/^it is not written in UTF-7/);
  });
});

describe('a hostile report', () => {
  const read = (xml: string) => reportIn(Buffer.from(xml));
  const DOCTYPE = 'it has a document type (<!DOCTYPE), which no JUnit report needs';

  it('has no entities of its own: neither a bomb of them nor a file', () => {
    const bomb = Array.from({ length: 9 }, (_, index) => `<!ENTITY l${index + 1} "${`&l${index};`.repeat(10)}">`);
    const root = (entity: string) => suite(`<testcase name="&${entity};"><failure message="&${entity};"/></testcase>`);
    expect(read(`<?xml version="1.0"?><!-- x --><!DOCTYPE l [<!ENTITY l0 "ha">${bomb.join('')}]>${root('l9')}`)).toBe(
      DOCTYPE,
    );
    expect(read(`\n<!DOCTYPE r [<!ENTITY f SYSTEM "file:///etc/passwd">]>${root('f')}`)).toBe(DOCTYPE);
    expect(read(`<!doctype r SYSTEM "http://127.0.0.1/x.dtd">${root('x')}`)).toBe(DOCTYPE);
    // Where no document type may stand it has no meaning, and a name that nobody explained stays as it is.
    expect(read(suite('<!DOCTYPE r [<!ENTITY f "boom">]>', root('f')))).toSatisfy(
      (report) => !JSON.stringify(report).includes('boom'),
    );
    expect(read(root('f'))).toMatchObject({ failures: [{ name: '&f;' }] });
  });

  it('may quote a page with a document type', () => {
    const quoted = suite('<testcase name="a"><failure><![CDATA[<!DOCTYPE html><p>]]></failure></testcase>');
    expect(read(quoted)).toMatchObject({ failures: [{ message: '<!DOCTYPE html><p>' }] });
  });

  it('is refused where it is nested or split too much, or is no XML', () => {
    expect(read('<testsuite>'.repeat(5_000) + '</testsuite>'.repeat(5_000))).toMatch(/^it is no XML that is read here/);
    for (const xml of [
      '<',
      '<a',
      '<testsuite>',
      '<testsuite></testcase>',
      `${GREEN}${GREEN}`,
      '<a b=c/>',
      '<!-- x -->',
    ])
      expect(read(xml)).toMatch(/^it is no (XML|JUnit)/);
    expect(String(read(`<testsuite ${'a'.repeat(1_000_000)}/>`)).length).toBeLessThan(400);
  });

  it.each([
    ['bytes', suite('x'.repeat(2.5 * 1_024 * 1_024)), /more than 2621440: upload the suites one by one/],
    ['tags', suite('<a/>'.repeat(70_001)), /more than 70000 tags: upload the suites one by one/],
    ['attributes', suite('<a b="" c=""/>'.repeat(60_001)), /more than 120000 attributes: upload the suites one by one/],
    ['characters in a tag', suite(`<testcase ${'a '.repeat(300_000)}/>`), /a tag of more than 524288 characters/],
  ])('is refused with too many %s before it is parsed', (_, xml, problem) => {
    expect(read(xml)).toMatch(problem);
  });

  it('is told from a real one of 2 MB, and from one with a long log', () => {
    const test =
      '<testcase classname="com.acme.shop.BasketTest" name="adds an item" time="0.0123" file="a.java"></testcase>\n';
    const tests = Math.ceil((2 * 1_024 * 1_024) / test.length);
    expect(read(suite(test.repeat(tests)))).toMatchObject({ total: tests, failed: 0 });
    const log = `<system-out><![CDATA[${'a = b '.repeat(150_000)}]]></system-out>`;
    expect(read(suite('<testcase name="a"><failure/></testcase>', log))).toMatchObject({ total: 1, failed: 1 });
  });

  it('cannot reach what every object has', () => {
    for (const name of ['__proto__', 'constructor', 'prototype', 'hasOwnProperty', 'toString']) {
      read(suite(`<testcase name="a" ${name}="x"><${name} polluted="yes"/></testcase>`));
      read(`<testsuites><${name}><testsuite tests="1" ${name}="x"/></${name}></testsuites>`);
      expect(reportIn(Buffer.from(suite(`<testcase name="${name}"><failure/></testcase>`)))).toMatchObject({
        failures: [{ name }],
      });
    }
    expect({}).not.toHaveProperty('polluted');
  });

  it('that ran nothing is not called green', () => {
    for (const xml of ['<testsuites/>', '<testsuite name="unit" tests="0"/>', suite()])
      expect(read(xml)).toMatch(/has no test in it/);
    expect(read('<html><body>502</body></html>')).toMatch(/^it is no JUnit report/);
  });

  it('makes an event within the limits, or a refusal, whatever is in it', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('a\0b', '\ud800', 'x'.repeat(40_000), '-1', '1e999'),
    );
    const piece = fc.oneof(
      fc.constantFrom(
        '<testsuite>',
        '</testsuite>',
        '<testcase name="',
        '"/>',
        '<failure>',
        '</failure>',
        '</testcase>',
      ),
      fc.constantFrom(' time="', ' tests="9', ' failures="', '<![CDATA[', ']]>', '&#0;', '&#x110000;', '&amp;'),
      text,
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        for (const xml of [`<testsuites>${pieces.join('')}</testsuites>`, pieces.join('')]) {
          const { events, refused } = upload(xml);
          expect(events.length === 1).toBe(refused === undefined);
          for (const event of events) {
            expect(JSON.stringify(event)).not.toMatch(/\\u0000|\\ud[89a-f]/);
            expect(lengthOf(event.title)).toBeLessThanOrEqual(LIMITS.title);
            expect(lengthOf(event.id)).toBeLessThanOrEqual(LIMITS.id);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
