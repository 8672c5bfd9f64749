import { mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { bundleIn } from '../../src/temporal/bundle.ts';

const dir = mkdtempSync(join(tmpdir(), 'tocsin-bundle-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

it('the workflows are bundled once, and kept for the next start under the name of their sources', async () => {
  const folder = join(dir, 'cache');
  const { code } = await bundleIn(folder);
  expect(code).toContain('incident');
  const [kept = '', ...others] = readdirSync(folder);
  expect([kept, others]).toEqual([expect.stringMatching(/^workflows-[\da-f]{32}\.js$/), []]);
  expect(statSync(join(folder, kept)).mode & 0o777).toBe(0o600);

  writeFileSync(join(folder, kept), 'what is kept');
  expect(await bundleIn(folder)).toEqual({ code: 'what is kept' });
  writeFileSync(join(folder, kept), '');
  const old = join(folder, `workflows-${'0'.repeat(32)}.js`);
  writeFileSync(old, 'of a release that is gone');
  utimesSync(old, 0, 0);
  expect((await bundleIn(folder)).code, 'a file that was cut off is made anew').toBe(code);
  expect(readdirSync(folder), 'and what nobody needs any more goes').toEqual([kept]);
});

it('where nothing can be kept they are bundled all the same', async () => {
  const file = join(dir, 'a-file');
  writeFileSync(file, '');
  expect((await bundleIn(file)).code).toContain('incident');
});
