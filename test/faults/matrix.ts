import { styleText } from 'node:util';
import PQueue from 'p-queue';
import { synthesizeBundle } from '../support/function-bundle.ts';
import { reportCounts } from './counts.ts';
import { carryOut, FAULT_KINDS, type ProtocolCall, type Setting, type Trial, type Verdict } from './trial.ts';

/**
 * The fault matrix: every call of the protocol × every way in which a call can go wrong × every way in which a provider
 * rotates. `npm run test:faults`; a word as argument runs only the calls that contain it.
 */
const only = process.argv[2] ?? '';
const rotations = ['strict', 'grace', 'no_rotation'] as const;
const calls: readonly (readonly [ProtocolCall, Setting])[] = [
  ['scan', 'plain'],
  ['get', 'by_hand'],
  ['read profile', 'plain'],
  ['lease', 'plain'],
  ['re-read', 'plain'],
  ['list versions', 'short_lived'],
  ['discover', 'discovered'],
  ['exchange', 'plain'],
  ['exchange again', 'answer_lost'],
  ['read profile again', 'client_changed'],
  ['read previous profile', 'client_changed'],
  ['store', 'plain'],
  ['seal', 'store_fails'],
  ['put escrow', 'store_fails'],
  ['record', 'plain'],
  ['open escrow', 'in_escrow'],
  ['move escrow', 'in_escrow'],
  ['re-read again', 'revoked'],
  ['tell', 'revoked'],
  ['record', 'revoked'],
];

const trials: Trial[] = rotations.flatMap((rotation) =>
  calls
    // Without rotation no new refresh token is ever at stake, so nothing goes into escrow.
    .filter(
      ([call, setting]) =>
        call.includes(only) && !(rotation === 'no_rotation' && /store_fails|in_escrow/.test(setting)),
    )
    .flatMap(([call, setting]) => FAULT_KINDS.map((fault) => ({ rotation, setting, call, fault }))),
);

const color = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (style: 'green' | 'yellow' | 'red', text: string) =>
  color ? styleText(style, text, { validateStream: false }) : text;
const results = new Map<Trial, Verdict>();

// The very bundle that gets deployed; it starts faster than the sources, too.
const bundle = synthesizeBundle();
// Most of a trial is waiting for calls that hang.
const queue = new PQueue({ concurrency: 10 });
await Promise.all(
  trials.map((trial) =>
    queue.add(async () => {
      results.set(trial, await carryOut(trial, bundle.path));
      if (process.stderr.isTTY) process.stderr.write(`\r${results.size} of ${trials.length} trials `);
    }),
  ),
);
if (process.stderr.isTTY) process.stderr.write('\r');
bundle.remove();

const notDone: Verdict = { end: 'unexplained', spentTwice: false, why: 'the trial was not carried out' };
const words: Record<Verdict['end'], string> = {
  kept: paint('green', 'kept'.padEnd(13)),
  dead: paint('green', 'told'.padEnd(13)),
  lost: paint('yellow', 'LOST'.padEnd(13)),
  unexplained: paint('red', 'UNEXPLAINED'.padEnd(13)),
};
for (const rotation of rotations) {
  console.log(`\n${rotation.padEnd(38)} ${FAULT_KINDS.map((fault) => fault.padEnd(13)).join(' ')}`);
  for (const [call, setting] of calls) {
    const row = trials.filter((t) => t.rotation === rotation && t.call === call && t.setting === setting);
    if (row.length === 0) continue;
    const name = setting === 'plain' ? call : `${call} (${setting.replaceAll('_', ' ')})`;
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
if (lost.length > 0)
  console.log(
    `\nLost, each told once as grant_possibly_lost: a strict provider rotated, and its answer never came, or the process died with it.`,
  );
for (const [trial] of lost) console.log(`  ${named(trial)}`);
for (const [trial, { why }] of unexplained) console.log(`  unexplained: ${named(trial)}: ${why}`);
for (const [trial] of spentTwice) console.log(`  spent twice: ${named(trial)}`);

const bad = new Set([...spentTwice, ...unexplained].map(([trial]) => trial)).size;
reportCounts(ends.length - bad, bad);
console.log(
  `\ncells ${ends.length}, lost ${lost.length}, spent twice ${spentTwice.length}, unexplained ${unexplained.length}`,
);
process.exitCode = bad === 0 ? 0 : 1;
