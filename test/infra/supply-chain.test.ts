import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildCommandLine } from '../../build/command-line.ts';
import { buildFunction } from '../../build/function.ts';
import { packagesIn } from '../../build/licences.ts';
import { projectRoot } from '../../build/project.ts';

const read = (path: string) => JSON.parse(readFileSync(join(projectRoot, path), 'utf8'));

describe('licences', () => {
  /** All of these ask only that we pass on their texts. */
  const allowed = [
    'MIT',
    'MIT-0',
    'Apache-2.0',
    'ISC',
    '0BSD',
    'BSD-2-Clause',
    'BSD-3-Clause',
    'BlueOak-1.0.0',
  ];
  /** If there is a choice, one of it is enough. */
  const isAllowed = (license: unknown) =>
    String(license)
      .replace(/^\(|\)$/g, '')
      .split(' OR ')
      .some((one) => allowed.includes(one));

  const bundles = { function: buildFunction, 'command line': buildCommandLine };
  test.each(
    Object.entries(bundles),
  )('of everything in the bundle of the %s are on the list', async (_, build) => {
    const packages = packagesIn(await build());
    expect(packages.length).toBeGreaterThan(10);
    const others = packages.filter((path) => !isAllowed(read(`${path}/package.json`).license));
    expect(others).toEqual([]);
  });

  test('of everything that production depends on are on the list', () => {
    const packages = Object.entries<{ dev?: boolean; license?: string }>(read('package-lock.json').packages);
    const production = packages.filter(([path, { dev }]) => path !== '' && dev !== true);
    expect(production.length).toBeGreaterThan(100);
    expect(production.filter(([, { license }]) => !isAllowed(license))).toEqual([]);
  });
});

test('nothing that production depends on runs a script when it is installed', () => {
  const packages = Object.entries<{ dev?: boolean; hasInstallScript?: boolean }>(
    read('package-lock.json').packages,
  );
  expect(
    packages.filter(([, { dev, hasInstallScript }]) => hasInstallScript === true && dev !== true),
  ).toEqual([]);
});

describe('the look-up of advisories', () => {
  let advisories: object | undefined;
  const registry = createServer((request, response) => {
    const isAsked = request.url?.endsWith('/advisories/bulk') === true && advisories !== undefined;
    request
      .resume()
      .on('end', () => response.writeHead(isAsked ? 200 : 405).end(JSON.stringify(advisories ?? {})));
  });
  let directory = '';
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'audit-'));
    await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => {
    registry.close();
    rmSync(directory, { recursive: true });
  });

  async function audit(answer: object | undefined) {
    advisories = answer;
    const counts = join(directory, 'counts.json');
    const env = {
      ...process.env,
      COUNTS_FILE: counts,
      npm_config_registry: `http://127.0.0.1:${(registry.address() as AddressInfo).port}`,
      npm_config_cache: directory,
      npm_config_fetch_retries: '0',
    };
    const ended = await new Promise<{ code: unknown; stdout: string }>((resolve) =>
      execFile(process.execPath, ['.ci/audit.mjs'], { cwd: projectRoot, env }, (error, stdout) =>
        resolve({ code: error?.code ?? 0, stdout }),
      ),
    );
    const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(counts, 'utf8'));
    return { ...ended, counted: [numPassedTests, numFailedTests] };
  }
  let made = 0;
  const about = (name: string, severity: string) => ({
    [name]: [
      {
        id: ++made,
        url: 'https://advisories.example/1',
        title: 'It is broken',
        severity,
        vulnerable_versions: '*',
      },
    ],
  });

  test.each(['high', 'critical'])('fails for one of severity %s, and names it', async (severity) => {
    const { code, stdout, counted } = await audit(about('oauth4webapi', severity));
    expect(code).toBe(1);
    expect(stdout).toContain(`${severity}: oauth4webapi\n  It is broken https://advisories.example/1`);
    expect(counted).toEqual([0, 1]);
  });

  test('tells of lesser ones', async () => {
    const { code, stdout, counted } = await audit(about('valibot', 'moderate'));
    expect({ code, counted }).toEqual({ code: 0, counted: [1, 0] });
    expect(stdout).toContain('moderate: valibot');
  });

  test.each([
    { name: 'only tools have one', answer: about('vitest', 'critical'), counted: [1, 0], says: '0 serious' },
    { name: 'there are none', answer: {}, counted: [1, 0], says: '0 serious' },
    { name: 'the registry does not answer', answer: undefined, counted: [0, 0], says: 'did not answer' },
  ])('fails nothing if $name', async ({ answer, counted, says }) => {
    const ended = await audit(answer);
    expect(ended).toMatchObject({ code: 0, counted });
    expect(ended.stdout).toContain(says);
  });
});
