import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, styleText } from 'node:util';
import PQueue from 'p-queue';
import { synthesizeBundle } from '../support/function-bundle.ts';
import { reportCounts } from './counts.ts';
import { carryOut, FAULT_KINDS, type ProtocolCall, type Setting, type Trial } from './trial.ts';
import { LOSSES, mayLose, type Verdict } from './trial-verdict.ts';

/**
 * The fault matrix: every call of the protocol × every way in which a call can go wrong × every way in which a provider
 * rotates. `npm run test:faults`; words as arguments run only the rows that contain one of them, and
 * `-- --rotation strict` one way of rotating.
 */
const { positionals: only, values } = parseArgs({
  allowPositionals: true,
  options: { rotation: { type: 'string' } },
});
const rotations = (['strict', 'grace', 'no_rotation'] as const).filter(
  (rotation) => values.rotation === undefined || rotation === values.rotation,
);
const rows: readonly { readonly setting: Setting; readonly calls: readonly ProtocolCall[] }[] = [
  { setting: 'plain', calls: ['scan', 'read profile', 'read note', 'data key', 'lease', 're-read'] },
  { setting: 'plain', calls: ['exchange', 'store', 'write note', 'record'] },
  { setting: 'by_hand', calls: ['get'] },
  { setting: 'short_lived', calls: ['list versions'] },
  { setting: 'discovered', calls: ['discover'] },
  { setting: 'unclaimed', calls: ['put claim', 'move claim'] },
  { setting: 'named_secret', calls: ['read secret note', 'claim secret', 'release secret'] },
  { setting: 'lent_secret', calls: ['get', 'lend secret'] },
  { setting: 'answer_lost', calls: ['exchange again'] },
  { setting: 'client_changed', calls: ['read profile again', 'read previous profile'] },
  { setting: 'client_wrong', calls: ['write note', 'tell of profile', 'record'] },
  { setting: 'store_fails', calls: ['data key', 'put escrow'] },
  { setting: 'store_refuses', calls: ['data key', 'put escrow'] },
  { setting: 'in_escrow', calls: ['open escrow', 'put home', 'move home', 'record'] },
  { setting: 'odd_answer', calls: ['data key', 'put candidate', 'record'] },
  { setting: 'candidate', calls: ['open escrow', 'exchange', 'store', 'record'] },
  { setting: 'false_candidate', calls: ['exchange', 'exchange again', 'record'] },
  { setting: 'unreadable', calls: ['put answer', 'record'] },
  { setting: 'revoked', calls: ['re-read again', 'tell', 'record'] },
];
/** Without rotation no new refresh token is ever at stake, so nothing goes into escrow but what can't be read. */
const rotatingOnly: readonly Setting[] = [
  'store_fails',
  'store_refuses',
  'in_escrow',
  'odd_answer',
  'candidate',
];

const nameOf = (call: ProtocolCall, setting: Setting) =>
  setting === 'plain' ? call : `${call} (${setting.replaceAll('_', ' ')})`;
const calls = rows
  .flatMap(({ setting, calls }) => calls.map((call) => ({ call, setting })))
  .filter(
    ({ call, setting }) => only.length === 0 || only.some((word) => nameOf(call, setting).includes(word)),
  );
const trials: Trial[] = rotations.flatMap((rotation) =>
  calls
    .filter(({ setting }) => rotation !== 'no_rotation' || !rotatingOnly.includes(setting))
    .flatMap((row) => FAULT_KINDS.map((fault) => ({ ...row, rotation, fault }))),
);

const color = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (style: 'green' | 'yellow' | 'red', text: string) =>
  color ? styleText(style, text, { validateStream: false }) : text;
const results = new Map<Trial, Verdict>();

// The very bundle that gets deployed; it starts faster than the sources, too.
const bundle = await synthesizeBundle();
// A few thousand processes are started: they share what is compiled of it.
const compiled = mkdtempSync(join(tmpdir(), 'compiled-'));
const environment = { NODE_COMPILE_CACHE: compiled };
execFileSync(process.execPath, [bundle.path], { env: environment });
// Most of a trial is waiting for calls that hang.
const queue = new PQueue({ concurrency: 10 });
await Promise.all(
  trials.map((trial) =>
    queue.add(async () => {
      results.set(trial, await carryOut(trial, bundle.path, environment));
      if (process.stderr.isTTY) process.stderr.write(`\r${results.size} of ${trials.length} trials `);
    }),
  ),
);
if (process.stderr.isTTY) process.stderr.write('\r');
bundle.remove();
rmSync(compiled, { recursive: true });

const notDone: Verdict = { end: 'unexplained', spentTwice: false, why: 'the trial was not carried out' };
const words: Record<Verdict['end'], string> = {
  kept: paint('green', 'kept'.padEnd(13)),
  dead: paint('green', 'told'.padEnd(13)),
  lost: paint('yellow', 'LOST'.padEnd(13)),
  unexplained: paint('red', 'UNEXPLAINED'.padEnd(13)),
};
for (const rotation of rotations) {
  console.log(`\n${rotation.padEnd(38)} ${FAULT_KINDS.map((fault) => fault.padEnd(13)).join(' ')}`);
  for (const { call, setting } of calls) {
    const row = trials.filter((t) => t.rotation === rotation && t.call === call && t.setting === setting);
    if (row.length === 0) continue;
    const name = nameOf(call, setting);
    console.log(
      `${name.padEnd(38)} ${row.map((trial) => words[(results.get(trial) ?? notDone).end]).join(' ')}`,
    );
  }
}

const named = ({ rotation, setting, call, fault }: Trial) =>
  `${rotation}, ${setting.replaceAll('_', ' ')}: ${call} ${fault}`;
const ends = trials.map((trial) => [trial, results.get(trial) ?? notDone] as const);
const lost = ends.filter(([, { end }]) => end === 'lost');
const spentTwice = ends.filter(([, verdict]) => verdict.spentTwice);
const unexplained = ends.filter(([, { end }]) => end === 'unexplained');
for (const [cause, sentence] of Object.entries(LOSSES)) {
  const ofCause = lost.filter(([trial]) => mayLose(trial) === cause);
  if (ofCause.length > 0) console.log(`\nLost, each told once as grant_possibly_lost: ${sentence}.`);
  for (const [trial] of ofCause) console.log(`  ${named(trial)}`);
}
for (const [trial, { why }] of unexplained) console.log(`  unexplained: ${named(trial)}: ${why}`);
for (const [trial] of spentTwice) console.log(`  spent twice: ${named(trial)}`);

const bad = new Set([...spentTwice, ...unexplained].map(([trial]) => trial)).size;
reportCounts(ends.length - bad, bad);
console.log(
  `\ncells ${ends.length}, lost ${lost.length}, spent twice ${spentTwice.length}, unexplained ${unexplained.length}`,
);
process.exitCode = bad === 0 ? 0 : 1;
