/** What others wrote and we ship: exact versions, known contents, licences that allow it, and no program that runs at install. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

interface Manifest {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  allowScripts: Record<string, boolean>;
}
interface Locked {
  version: string;
  resolved?: string;
  integrity?: string;
  license?: string;
  link?: boolean;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  hasInstallScript?: boolean;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

const read = (name: string): unknown => JSON.parse(readFileSync(join(ROOT, name), 'utf8'));
const manifest = read('package.json') as Manifest;
const { packages } = read('package-lock.json') as { packages: Record<string, Locked> };
const locked = Object.entries(packages).filter(([path]) => path !== '');
const nameOf = (path: string): string => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);

const EXACT = /^\d+\.\d+\.\d+(-[\w.]+)?$/;

describe('the versions', () => {
  it('are exact in package.json, and the same in the lock', () => {
    const wanted = { ...manifest.dependencies, ...manifest.devDependencies };
    for (const [name, version] of Object.entries(wanted)) {
      expect([name, version]).toEqual([name, expect.stringMatching(EXACT)]);
      expect([name, packages[`node_modules/${name}`]?.version]).toEqual([name, version]);
    }
    expect(packages['']?.dependencies).toEqual(manifest.dependencies);
    expect(packages['']?.devDependencies).toEqual(manifest.devDependencies);
  });

  it('come from the registry alone, and what is in them is known by its digest', () => {
    for (const [path, { version, resolved, integrity, link, optional, os }] of locked) {
      expect([path, version]).toEqual([path, expect.stringMatching(EXACT)]);
      expect([path, link ?? false, resolved ?? 'the registry']).toEqual([path, false, 'the registry']);
      // Binaries for other systems than the one the lock was made on: npm takes their digest from the registry.
      if (integrity === undefined) expect([path, optional, os]).toEqual([path, true, expect.any(Array)]);
      else expect([path, integrity]).toEqual([path, expect.stringMatching(/^sha512-[\w+/]{86}==$/)]);
    }
  });
});

/** May be shipped with a program under Apache-2.0, whatever it does. */
const FREE = new Set(['MIT', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC']);

/** Not of the list, read one by one, and no condition of theirs is stricter; a package that leaves is to leave here, too. */
const READ: Record<string, string> = {
  'caniuse-lite': 'CC-BY-4.0', // Data about browsers, asked by the bundler of the workflows; unchanged, its notice beside it.
  'fast-sha256': 'Unlicense',
  'fs-monkey': 'Unlicense',
  'graceful-fs': 'BlueOak-1.0.0',
  nodemailer: 'MIT-0',
  'postal-mime': 'MIT-0',
  'smtp-server': 'MIT-0',
  tslib: '0BSD',
  unionfs: 'Unlicense',
};

describe('the licences of what is shipped', () => {
  /** As the package itself says, where it is installed: in its manifest, or only in its licence. */
  const licenceOf = (path: string, { license }: Locked): string | undefined => {
    try {
      const said = license ?? (read(`${path}/package.json`) as { license?: string }).license;
      if (said !== undefined) return said;
      const words = readFileSync(join(ROOT, path, 'LICENSE'), 'utf8');
      return words.startsWith('This is free and unencumbered software') ? 'Unlicense' : words;
    } catch {
      return undefined; // Not installed: for another system.
    }
  };
  const isFree = (licence: string): boolean => licence.split(/ (?:AND|OR) /).every((one) => FREE.has(one));
  const shipped = locked.filter(([, { dev }]) => !dev);

  it('allow it, or have been read', () => {
    expect(shipped.length).toBeGreaterThan(100);
    for (const [path, entry] of shipped) {
      const licence = licenceOf(path, entry);
      if (licence === undefined) expect([path, entry.optional, entry.os]).toEqual([path, true, expect.any(Array)]);
      else if (!isFree(licence)) expect([path, licence]).toEqual([path, READ[nameOf(path)]]);
    }
  });

  it('that have been read are those of packages that are there', () => {
    const there = new Set(
      shipped.filter(([path, entry]) => !isFree(licenceOf(path, entry) ?? 'MIT')).map(([path]) => nameOf(path)),
    );
    expect([...there].sort()).toEqual(Object.keys(READ).sort());
  });
});

describe('a program that would run at install', () => {
  const LIFECYCLE = ['preinstall', 'install', 'postinstall'];

  it('is in the list of those that were thought about, and only Node’s own may run', () => {
    const bringing = locked.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => nameOf(path));
    const known = Object.keys(manifest.allowScripts);
    expect([...new Set(bringing)].filter((name) => !known.includes(name))).toEqual([]);
    expect(known.filter((name) => manifest.allowScripts[name])).toEqual(['node']);
  });

  it('is none that the lock does not speak of', () => {
    const scripts = (name: string): string[] => {
      const { scripts = {} } = read(`node_modules/${name}/package.json`) as { scripts?: Record<string, string> };
      return LIFECYCLE.filter((step) => step in scripts);
    };
    const installed = readdirSync(join(ROOT, 'node_modules')).flatMap((name) =>
      name.startsWith('@') ? readdirSync(join(ROOT, 'node_modules', name)).map((inner) => `${name}/${inner}`) : [name],
    );
    const here = installed.filter((name) => packages[`node_modules/${name}`]);
    expect(here.length).toBeGreaterThan(100);
    const running = here.filter((name) => scripts(name).length > 0);
    expect(running.filter((name) => !packages[`node_modules/${name}`]?.hasInstallScript)).toEqual([]);
  });
});
