import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findTemporal, readVersion } from '../../src/temporal/binary.ts';

let root: string;
let bin: string;
let cacheDir: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'tocsin-binary-'));
  bin = join(root, 'bin');
  cacheDir = join(root, 'cache');
  await mkdir(bin);
});
afterEach(() => rm(root, { recursive: true, force: true }));

const RECENT = 'temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)';
const BUILT = 'temporal version 0.0.0-DEV (Server 1.29.1, UI 2.42.1)';

async function program(path: string, body: string): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${body}\n`);
  await chmod(path, 0o755);
}

/** A `go` that takes the place of the real one: it writes the program where GOBIN says, as `go install` does. */
const go = (version: string): Promise<void> =>
  program(
    join(bin, 'go'),
    `echo "go: downloading example.com/a v1.0.0" >&2; echo "$@" >> "${root}/go-args"; pwd >> "${root}/go-args"
printf '#!/bin/sh\\necho "%s"\\n' "${version}" > "$GOBIN/temporal"; /bin/chmod +x "$GOBIN/temporal"`,
  );

function find(): { said: string[]; result: ReturnType<typeof findTemporal> } {
  const said: string[] = [];
  // No name can be looked up through this proxy: the SDK's download is cut short, as behind a closed network.
  const nowhere = 'http://127.0.0.1:9';
  const env = { PATH: bin, HOME: root, HTTPS_PROXY: nowhere, https_proxy: nowhere };
  return { said, result: findTemporal({ env, say: (line) => said.push(line), cacheDir }) };
}

describe('the temporal program', () => {
  it('is taken from PATH when it is recent enough', async () => {
    await program(join(bin, 'temporal'), `echo "${RECENT}"`);
    const { said, result } = find();
    expect(await result).toEqual({ path: join(bin, 'temporal'), version: '1.5.1' });
    expect(said).toEqual([]);
  });

  it('is taken from the cache folder when the one on PATH is too old, and that is said', async () => {
    await program(join(bin, 'temporal'), 'echo "temporal version 1.2.0 (Server 1.26.2, UI 2.34.0)"');
    await program(join(cacheDir, 'temporal'), `echo "${BUILT}"`);
    const { said, result } = find();
    expect(await result).toEqual({ path: join(cacheDir, 'temporal'), version: '0.0.0-DEV (Server 1.29.1)' });
    expect(said.join()).toContain('version 1.2.0 is too old');
  });

  it('is built with Go into the cache where nothing else leads anywhere, and found there the next time', async () => {
    await go(BUILT);
    const first = find();
    expect(await first.result).toEqual({ path: join(cacheDir, 'temporal'), version: '0.0.0-DEV (Server 1.29.1)' });
    expect(first.said.join('\n')).toMatch(/SDK's own download[\s\S]*go install[\s\S]*temporal is ready/);
    expect(await readdir(cacheDir)).toEqual(['temporal']);
    const second = find();
    expect((await second.result).path).toBe(join(cacheDir, 'temporal'));
    expect(second.said).toEqual([]);
    expect(await readFile(join(root, 'go-args'), 'utf8')).toMatch(
      /^install -v github.com\/temporalio\/cli\/cmd\/temporal@v1\.5\.1\n.*work-\w+\n$/,
    );
  });

  it('is built by two processes at once without either seeing half a program', async () => {
    await go(BUILT);
    const [one, two] = await Promise.all([find().result, find().result]);
    expect(one).toEqual(two);
    expect(execFileSync(one.path, ['--version'], { encoding: 'utf8' }).trim()).toBe(BUILT);
    expect(await readdir(cacheDir)).toEqual(['temporal']);
  });

  it('that was cut off in the cache is replaced', async () => {
    await program(join(cacheDir, 'temporal'), 'exit 3');
    await go(BUILT);
    const { said, result } = find();
    expect((await result).version).toContain('Server 1.29.1');
    expect(said.join()).toContain('does not answer `--version` (3)');
  });

  it('leaves no work folder of a killed build behind for ever', async () => {
    const abandoned = join(cacheDir, 'work-dead');
    await mkdir(abandoned, { recursive: true });
    await utimes(abandoned, new Date(0), new Date(0));
    await go(BUILT);
    await find().result;
    expect(await readdir(cacheDir)).toEqual(['temporal']);
  });

  it('that cannot be had ends in one error with what was tried and the three ways out', async () => {
    await program(join(bin, 'go'), 'echo "go: no network" >&2; exit 1');
    const error = await find().result.catch((thrown: Error) => thrown);
    expect(error).toBeInstanceOf(Error);
    const { message } = error as Error;
    expect(message).toContain('go install failed: go: no network');
    expect(message).toContain("the SDK's download failed");
    expect(message).toMatch(/1\. [\s\S]*PATH[\s\S]*2\. [\s\S]*Go[\s\S]*3\. [\s\S]*TEMPORAL_ADDRESS/);
    expect(await readdir(cacheDir)).toEqual([]);
  });
});

describe('its version', () => {
  it.each([
    [RECENT, true],
    [BUILT, true],
    ['temporal version 1.3.0 (Server 1.27.1, UI 2.36.0)', true],
    ['temporal version 2.0.0-rc1 (Server 2.0.0)', true],
    ['temporal version 1.2.9 (Server 1.26.2, UI 2.34.0)', false],
    ['temporal version 0.13.0 (Server 1.24.2)', false],
    ['temporal version 0.0.0-DEV (Server 1.26.2, UI 2.34.0)', false],
    ['temporal version 0.0.0-DEV', false],
  ])('%s is recent: %s', (output, recent) => {
    expect(readVersion(output)?.recent).toBe(recent);
  });

  it('of another program is none', () => {
    expect(readVersion('temporal 3.1 - tidal planner')).toBeUndefined();
  });
});
