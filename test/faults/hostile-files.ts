import { subscribe } from 'node:diagnostics_channel';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'csv-stringify/sync';
import fc from 'fast-check';
import { EXIT } from '../../cli/shared/cli-error.ts';
import { PROFILE_FIELDS } from '../../core/profile/profile-schema.ts';
import { CANARY, linesWithCanary, SHORT_CANARY } from '../support/canary.ts';
import { cli, type Ended } from '../support/cli.ts';
import type { World } from '../support/world.ts';
import { hostileProfile } from './hostile-input.ts';
import type { Kind } from './kind.ts';

/** A command line of a world: what it told, and what of that it may not. */
export type CommandLine = (
  args: readonly string[],
  about: unknown,
  input?: string | Uint8Array,
) => Promise<Ended & { readonly broken: readonly string[] }>;

/** As text and as JSON by turns. */
export function commandLine({ clients, prefix }: Pick<World, 'clients' | 'prefix'>): CommandLine {
  const options = ['--table', clients.tableName, '--function', 'none', '--prefix', prefix];
  let times = 0;
  // A command's process ends, and its connections with it; here the next one runs in the same process.
  const opened = new Set<Socket>();
  subscribe('net.client.socket', (message) => opened.add((message as { socket: Socket }).socket));
  return async (args, about, input) => {
    opened.clear();
    const json = times++ % 2 === 0 && !args.includes('--json') ? ['--json'] : [];
    const ended = await cli([...options, ...json, ...args], {
      ...(input !== undefined && { input: String(input) }),
    });
    for (const socket of opened) socket.destroy();
    const told = `${ended.stdout}\n${ended.stderr}`;
    const flaws = [
      ...(Object.values(EXIT).some((code) => code === ended.code) ? [] : [`ended with ${ended.code}`]),
      ...(/^\s+at .*:\d+:\d+\)?$/m.test(told) ? ['told a stack'] : []),
      ...((ended.code === EXIT.failed && UNEXPECTED.exec(told)) || [])
        .slice(0, 1)
        .map((found) => `failed unexpectedly: ${found}`),
      ...linesWithCanary(told).map((line) => `told a secret: ${line.slice(0, 2_000)}`),
    ];
    return {
      ...ended,
      broken: flaws.map((flaw) => `${args.join(' ')} ${flaw}, for ${JSON.stringify(about)}`),
    };
  };
}

/** An error that nobody has thought of: those that are meant have codes in capitals, and a sentence. */
const UNEXPECTED = /(?:(?<![\w.])[A-Z]\w*(?:Error|Exception): |"code":"[A-Z]\w*(?:Error|Exception)").{0,200}/;

const FORMATS = ['csv', 'json lines', 'json', 'spread json', 'servicenow'] as const;

/** A file for `import`: sound rows with hostile ones between them, and what has happened to it. */
interface HostileFile {
  readonly format: (typeof FORMATS)[number];
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly ends: readonly string[];
  /** The columns, where they are not those that the rows have. */
  readonly header: 'sound' | 'twice' | 'unknown' | 'none';
  readonly charset: 'utf8' | 'utf8 with mark' | 'utf16le' | 'utf16be' | 'latin1';
  readonly damage: Damage | undefined;
  readonly really: boolean;
}

interface Damage {
  readonly kind: 'cut' | 'put in' | 'turned' | 'huge first line' | 'said twice';
  /** Where, as a part of the whole. */
  readonly at: number;
  readonly text: string;
}

const texts = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '=1+1',
    '@SUM(A1)',
    "'+x",
    '\t',
    '"',
    '""',
    'a"b',
    'a,b;c|d',
    'x\ny',
    'x\r\ny',
    '\u202e',
    '{',
  ),
  fc.constantFrom(
    '[]',
    '{}',
    '{"a":',
    'null',
    '9'.repeat(400),
    '../..',
    'x'.repeat(70_000),
    '#profile:sound',
    '\ufeff',
  ),
  fc.string({ unit: 'grapheme', maxLength: 30 }),
);
const secretText = fc.constantFrom(
  CANARY,
  `${CANARY}\n`,
  ` ${CANARY}`,
  `${CANARY} ${CANARY}`,
  SHORT_CANARY,
  JSON.stringify({ refresh_token: CANARY, [CANARY]: CANARY }),
  `{"refresh_token":"${CANARY}`,
  `=${CANARY}`,
);
const deep = (depth: number) => {
  let value: unknown = CANARY;
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
};
const secretValue = fc.oneof(
  secretText,
  fc.constantFrom<unknown>(
    [CANARY],
    { [CANARY]: CANARY },
    { refresh_token: [CANARY] },
    deep(40),
    deep(3_000),
  ),
);
const times = fc.constantFrom<unknown>('tomorrow', -1, 1e300, '2027-02-31', '١٢٣', { a: 1 }, CANARY);
const anything = fc.oneof(texts, fc.jsonValue({ maxDepth: 3 }));

const ROW_FIELDS = {
  accountId: fc.oneof(anything, fc.constant(undefined)),
  name: anything,
  oauthProfile: fc.oneof(fc.constant('sound'), anything),
  tokenSecretId: anything,
  enabled: anything,
  'parameters.region': anything,
  parameters: fc.oneof(texts, fc.dictionary(texts, texts)),
  refresh_token: secretValue,
  access_token: secretValue,
  expires_at: times,
  'tokens.a': secretValue,
  tokens: secretValue,
};
const COLUMNS = Object.keys(ROW_FIELDS);
const UNKNOWN = ['client_secret', 'password', `${CANARY}`, 'Refresh Token'];

const damage: fc.Arbitrary<Damage> = fc.record({
  kind: fc.constantFrom('cut', 'put in', 'turned', 'huge first line', 'said twice'),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  text: fc.constantFrom(
    ...['"', '\\', '{', ']', ',', '\r', '\n\n', '\u0000', '\u0000\u0000', '\ufeff', '<html>', ';;;;'],
    ...['['.repeat(100_000), '{"a":'.repeat(100_000)],
  ),
});
const hostileFile: fc.Arbitrary<HostileFile> = fc.record({
  format: fc.constantFrom(...FORMATS),
  rows: fc.array(
    fc
      .tuple(
        fc.record(ROW_FIELDS, { requiredKeys: [] }),
        fc.option(fc.tuple(fc.constantFrom(...UNKNOWN), secretValue), { freq: 4 }),
      )
      .map(([row, unknown]) => ({ ...row, ...(unknown && { [unknown[0]]: unknown[1] }) })),
    { minLength: 1, maxLength: 4 },
  ),
  ends: fc.oneof(
    fc.constantFrom(['\n'], ['\r\n'], ['\r']),
    fc.array(fc.constantFrom('\n', '\r\n', '\r', '\n\n'), { minLength: 1, maxLength: 4 }),
  ),
  header: fc.constantFrom('sound', 'sound', 'sound', 'twice', 'unknown', 'none'),
  charset: fc.constantFrom('utf8', 'utf8', 'utf8 with mark', 'utf16le', 'utf16be', 'latin1'),
  damage: fc.option(damage, { nil: undefined, freq: 1 }),
  really: fc.boolean(),
});

/** The file's text, and whether each of its sound rows must be found in it. */
function textOf(
  { format, rows, ends, header }: HostileFile,
  sound: readonly string[],
): readonly [string, boolean] {
  const all = sound.flatMap((accountId, index): Record<string, unknown>[] => [
    { accountId, oauthProfile: 'sound', refresh_token: `${CANARY}-${accountId}` },
    ...rows.slice(index * 2, index * 2 + 2),
  ]);
  const lines = (made: readonly string[]) => made.map((line, i) => line + ends[i % ends.length]).join('');
  const cell = (value: unknown) =>
    value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);
  const csv = (columns: readonly string[], made: readonly Record<string, unknown>[]) => {
    const names = {
      sound: [columns],
      twice: [[...columns, columns[0]]],
      unknown: [[...columns, ...UNKNOWN]],
      none: [],
    };
    const quoted = (cells: readonly unknown[]) =>
      stringify([cells.map(cell)], { quoted_string: true }).slice(0, -1);
    return lines([
      ...names[header].map(quoted),
      ...made.map((row) => quoted((names[header][0] ?? columns).map((column) => row[column ?? '']))),
    ]);
  };
  switch (format) {
    case 'csv':
      return [csv(COLUMNS, all), header === 'sound'];
    case 'json lines':
      return [lines(all.map((row) => JSON.stringify(row))), true];
    case 'json':
      return [JSON.stringify(all), true];
    case 'spread json':
      return [lines(all.map((row) => JSON.stringify(row, undefined, 1))), true];
    case 'servicenow':
      return [
        csv(
          ['sys_id', 'name', 'authentication_type', 'oauth2_profile'],
          all.map(({ accountId, name, oauthProfile }) => ({
            sys_id: accountId,
            name: name ?? accountId,
            authentication_type: 'oauth2',
            oauth2_profile: oauthProfile,
          })),
        ),
        header === 'sound',
      ];
  }
}

/** What a person's ServiceNow holds for these rows. */
function credentialsOf({ rows }: HostileFile, sound: readonly string[]): string {
  const columns = ['type', 'expires', 'requestor_id', 'token'];
  return stringify([
    columns,
    ...sound.map((accountId) => [
      'refresh_token',
      '2027-01-01 00:00:00',
      accountId,
      `${CANARY}-${accountId}`,
    ]),
    // A token of which nothing says what it is for would have the whole export refused.
    ...rows.flatMap(({ accountId, refresh_token, expires_at }) =>
      typeof accountId === 'string' && accountId !== ''
        ? [['refresh_token', expires_at, accountId, refresh_token]]
        : [],
    ),
  ]);
}

function damaged(text: string, { kind, at, text: odd }: Damage): string {
  const place = Math.floor(at * text.length);
  switch (kind) {
    case 'cut':
      return text.slice(0, place);
    case 'put in':
      return text.slice(0, place) + odd + text.slice(place);
    case 'turned':
      return text.slice(place) + odd + text.slice(0, place);
    case 'huge first line':
      return `${(odd + CANARY).repeat(100_000)}\n${text}`;
    case 'said twice':
      return text + odd + text;
  }
}

function bytesOf(text: string, charset: HostileFile['charset']): Buffer {
  switch (charset) {
    case 'utf8 with mark':
      return Buffer.from(`\ufeff${text}`);
    case 'utf16le':
      return Buffer.from(`\ufeff${text}`, 'utf16le');
    case 'utf16be':
      return Buffer.from(`\ufeff${text}`, 'utf16le').swap16();
    default:
      return Buffer.from(text, charset);
  }
}

/** Hostile files for `import`, and hostile profiles, through the whole command line. */
export async function commandKinds(world: World): Promise<readonly Kind[]> {
  const run = commandLine(world);
  await world.profile('sound', {
    client_id: 'c',
    client_secret: CANARY,
    token_endpoint: 'https://id.example/token',
  });
  let made = 0;

  const importFile = async (file: HostileFile, directory: string) => {
    const number = made++;
    const sound = ['first', 'middle', 'last'].map((place) => `s-${number}-${place}`);
    const [text, isReadable] = textOf(file, sound);
    const path = join(directory, 'accounts');
    const rejects = join(directory, 'rejects.csv');
    writeFileSync(path, bytesOf(file.damage === undefined ? text : damaged(text, file.damage), file.charset));
    const more = join(directory, 'credentials');
    writeFileSync(more, credentialsOf(file, sound));
    const args = [
      ...['import', path, '--rejects', rejects, '--rate', '10000'],
      ...(file.format === 'servicenow' ? [more, '--servicenow', '--tokens-in', 'token'] : []),
    ];
    const tried = await run([...args, '--dry-run'], file);
    const told = existsSync(rejects) ? readFileSync(rejects, 'utf8') : '';
    const found = [
      ...tried.broken,
      ...linesWithCanary(told).map(
        (line) => `a reject file holds a secret: ${line}: ${JSON.stringify(file)}`,
      ),
    ];
    if (file.damage !== undefined || !isReadable || file.charset === 'latin1') return found;
    const { really } = file;
    const { code, stdout, broken } = await run(
      [...args, '--json', really ? '--skip-invalid' : '--dry-run'],
      file,
    );
    found.push(...broken);
    const { create, created, error } = JSON.parse(stdout);
    const counted = really ? created : create;
    const rejected = sound.filter((id) => told.includes(id));
    if (!(counted >= sound.length) || rejected.length > 0)
      found.push(
        `of sound rows ${counted} counted, exit ${code}, ${JSON.stringify(error ?? rejected)}: ${JSON.stringify(file)}`,
      );
    return found;
  };

  const files: Kind<HostileFile> = {
    name: 'files',
    weight: 12,
    inputs: hostileFile,
    check: async (batch) => {
      const broken: string[] = [];
      for (const file of batch) {
        const directory = mkdtempSync(join(tmpdir(), 'fuzz-'));
        broken.push(...(await importFile(file, directory)));
        rmSync(directory, { recursive: true });
      }
      return broken;
    },
    end: async () => {
      const items = (await world.clients.items()).map((item) => JSON.stringify(item));
      const exports = [
        await run(['export'], 'what was imported'),
        await run(['accounts', 'list', '--all'], 'the same'),
      ];
      return [
        ...exports.flatMap(({ broken }) => broken),
        ...linesWithCanary(items.join('\n')).map((line) => `a secret was imported into the table: ${line}`),
      ];
    },
  };

  const sound = {
    client_id: 'c',
    client_secret: `${CANARY}-secret`,
    token_endpoint: 'https://id.example/token',
  };
  const profiles: Kind<string> = {
    name: 'profiles',
    weight: 8,
    inputs: fc.oneof(hostileProfile(sound, PROFILE_FIELDS), secretText),
    check: async (batch) => {
      const broken: string[] = [];
      for (const text of batch) {
        const name = `p-${made++}`;
        const added = await run(['profiles', 'add', name, '--stdin', '--client-id', 'c'], text, text);
        const shown = await run(['profiles', 'show', name], text);
        const changed = await run(['profiles', 'add', name, '--change', '--stdin'], text, text);
        broken.push(...added.broken, ...shown.broken, ...changed.broken);
      }
      return broken;
    },
    end: async () => (await run(['profiles', 'list'], 'all profiles')).broken,
  };
  return [files, profiles];
}
