import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTerminal } from '../../terminal/terminal.ts';
import { type Connecting, startConnecting } from '../support/connecting.ts';

const TITLE = '\u001b]0;owned\u0007';
const CLEAR = '\u001b[2J';
const HOSTILE = `x${TITLE}${CLEAR}\u009b31m\u202ey\r`;

describe('what a command says', () => {
  const speak = (
    color: boolean,
    json: boolean,
    say: (terminal: ReturnType<typeof createTerminal>) => void,
  ) => {
    const stream = () =>
      Object.assign(new PassThrough(), { isTTY: true, columns: 80, hasColors: () => color });
    const [stdout, stderr] = [stream(), stream()];
    say(createTerminal({ stdin: new PassThrough(), stdout, stderr, env: {} }, json));
    return String(stdout.read() ?? '') + String(stderr.read() ?? '');
  };
  const obeyed = /[^\P{Cc}\n]|\u202e/u;

  test.each([true, false])('keeps its own colours (%s), and nothing else that a terminal obeys', (color) => {
    for (const way of ['result', 'say'] as const) {
      const told = speak(color, false, ({ result, say, paint }) => {
        const text = `${paint('red', 'ours')} ${HOSTILE}\nnext`;
        if (way === 'result') result(text, {});
        else say(text);
      });
      expect(told).toContain(color ? '\u001b[31mours\u001b[39m x' : 'ours x');
      expect(told).toContain('\nnext\n');
      expect(told.replaceAll('\u001b[31m', '').replaceAll('\u001b[39m', '')).not.toMatch(obeyed);
    }
  });

  test('of its progress nothing is obeyed either', () => {
    expect(speak(true, false, ({ progress }) => progress(HOSTILE))).not.toMatch(obeyed);
  });

  test('as JSON means the same, and is not obeyed', () => {
    const told = speak(true, true, ({ result }) => result('', { name: HOSTILE }));
    expect(told).not.toMatch(obeyed);
    expect(JSON.parse(told)).toEqual({ name: HOSTILE });
  });
});

describe('the words of others are not obeyed', () => {
  let system: Connecting;
  beforeAll(async () => {
    system = await startConnecting();
    await system.authorize(['esc', '--profile', 'crm']);
    await system.putItem({ ...(await system.item('esc')), name: `${HOSTILE}\u001b[31mred` });
    await system.profile('hostile', { client_id: HOSTILE, issuer: 'http://127.0.0.1:1', scope: HOSTILE });
    await system.profile('misspelt', { client_id: 'c', [HOSTILE]: 'x' });
  });
  afterAll(() => system.close());

  const row = JSON.stringify({ accountId: `${HOSTILE}\u001b[31mred`, oauthProfile: 'crm', [HOSTILE]: 1 });
  test.each<[string, readonly string[], string]>([
    ['a name, after signing in', ['authorize', 'esc'], ''],
    ['an account id and a field in a file', ['import', '-', '--dry-run'], row],
    ['a profile', ['profiles', 'show', 'hostile'], ''],
    ['a field of a profile', ['profiles', 'list'], ''],
    ['a field of a profile that is checked', ['profiles', 'check', 'misspelt'], ''],
    ['a name in an export', ['export'], ''],
  ])('%s', async (_, args, input) => {
    const run = args[0] === 'authorize' ? system.authorize(args.slice(1)) : system.command(args, { input });
    const { stdout, stderr } = await run;
    const text = (stdout + stderr).replaceAll('\r\u001b[2K', '');
    // A file must hold what was there.
    if (args[0] !== 'export') expect(text).not.toContain('\u001b');
    const onTerminal = await system.command(args[0] === 'authorize' ? ['accounts', 'list'] : args, {
      input,
      columns: 80,
    });
    const shown = (onTerminal.stdout + onTerminal.stderr).replaceAll('\r\u001b[2K', '');
    expect(shown).not.toContain(TITLE);
    expect(shown).not.toContain('\u001b[31mred');
  });
});
