import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startFleet, type TestFleet } from '../support/fleet.ts';
import { runProcess } from '../support/run-process.ts';

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await startFleet();
});
afterAll(() => fleet.close());

const scriptFor = async (shell: string) => (await fleet.run(['completion', shell])).stdout;

/** Words offered after a command line, by the hidden command that each shell's script asks. */
async function offered(...words: string[]): Promise<string[]> {
  const { stdout } = await fleet.run(['__complete', '--', '--data', fleet.data, ...words]);
  return stdout.split('\n').flatMap((line) => line.split('\t')[0] || []);
}

describe('what is offered', () => {
  test.each([
    ['commands', ['acc'], ['accounts']],
    ['sub-commands', ['accounts', 're'], ['remove', 'refresh']],
    ['options, those of all commands too', ['accounts', 'list', '--st'], ['--status', '--stack']],
    ['values of an option', ['accounts', 'list', '--status', 'f'], ['failing']],
    [
      'further values of an option that takes several',
      ['accounts', 'list', '--status', 'failing', 'h'],
      ['healthy'],
    ],
    ['values of an argument', ['completion', ''], ['bash', 'zsh', 'fish']],
    ['accounts', ['accounts', 'show', 'mail-'], ['mail-initech', 'mail-soylent', 'mail-stark']],
    ['accounts for a list of them', ['accounts', 'enable', 'mail-stark', 'erp'], ['erp-nakatomi']],
    ['no second account where there is one', ['accounts', 'show', 'mail-stark', ''], []],
    ['profiles', ['accounts', 'refresh', '--profile', 'b'], ['billing']],
    ['nothing for a value that only a person knows', ['accounts', 'list', '--limit', ''], []],
    ['nothing after what is not there', ['nix', '--nix', 'x'], []],
  ])('%s', async (_, words, expected) => {
    const words_ = await offered(...words);
    expect(words_.filter((word) => word !== 'help')).toEqual(expected);
  });

  test('every command of the program, and none that is hidden', async () => {
    expect(await offered('')).toEqual(expect.arrayContaining(['accounts', 'status', 'token', 'completion']));
    expect(await offered('__')).toEqual([]);
  });
});

describe('bash', () => {
  test.each([
    ['accounts sh', 'sh', 'show'],
    ['accounts show crm-a', 'crm-a', 'crm-acme crm-aperture'],
    ['accounts list --status ', '', 'reauthorization_required failing new healthy disabled other'],
    // bash takes @ as the end of a word: only what comes after it is to be offered.
    ['accounts show me@ex', 'ex', 'example.com'],
  ])('completes %j', async (line, word, expected) => {
    await fleet.put({ accountId: 'me@example.com', authenticationType: 'oauth2' });
    const whole = `oauth-token-refresher --data ${fleet.data} ${line}`;
    const { stdout, stderr } = await runProcess('bash', ['--norc'], {
      input: `${await scriptFor('bash')}
COMP_LINE='${whole}' COMP_POINT=${whole.length}
_oauth_token_refresher oauth-token-refresher '${word}' ''
echo "\${COMPREPLY[*]}"
complete -p oauth-token-refresher`,
    });
    expect({ stdout, stderr }).toEqual({
      stdout: `${expected}\ncomplete -F _oauth_token_refresher oauth-token-refresher\n`,
      stderr: '',
    });
  });
});

describe('outside the repository, with the documented shell function, which changes into it', () => {
  test.each([
    ['account ids', 'accounts show crm-a', 'crm-a', 'crm-acme crm-aperture'],
    ['profiles', 'accounts list --profile b', 'b', 'billing'],
  ])('%s are those that are offered inside', async (_, line, word, expected) => {
    const repository = mkdtempSync(join(tmpdir(), 'repository-'));
    symlinkSync(fleet.data, join(repository, '.local'));
    const whole = `oauth-token-refresher ${line}`;
    const { stdout, stderr } = await runProcess('bash', ['--norc'], {
      input: `cd /
oauth-token-refresher() { (cd '${repository}' && '${process.execPath}' '${resolve('cli/main.ts')}' "$@"); }
${await scriptFor('bash')}
COMP_LINE='${whole}' COMP_POINT=${whole.length}
_oauth_token_refresher oauth-token-refresher '${word}' ''
echo "\${COMPREPLY[*]}"`,
    });
    rmSync(repository, { recursive: true });
    expect({ stdout, stderr }).toEqual({ stdout: `${expected}\n`, stderr: '' });
  });
});

const has = (shell: string) => spawnSync(shell, ['--version']).status === 0;

test.skipIf(!has('fish'))('fish completes', async () => {
  const line = `oauth-token-refresher --data ${fleet.data} accounts show crm-a`;
  const { stdout, stderr } = await runProcess('fish', [
    '--no-config',
    '-c',
    `${await scriptFor('fish')}\ncomplete -C '${line}'`,
  ]);
  expect({ stdout, stderr }).toEqual({ stdout: 'crm-acme\ncrm-aperture\n', stderr: '' });
});

test.skipIf(!has('zsh'))('zsh takes the script', async () => {
  const { stdout, stderr } = await runProcess('zsh', ['-f'], {
    input: `autoload -U compinit; compinit -D -u; ${await scriptFor('zsh')}; echo $_comps[oauth-token-refresher]`,
  });
  expect({ stdout, stderr }).toEqual({ stdout: '_oauth_token_refresher\n', stderr: '' });
});

test('a shell that it does not know is wrong usage', async () => {
  expect((await fleet.run(['completion', 'tcsh'])).code).toBe(2);
});
