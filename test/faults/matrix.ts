import { writeFileSync } from 'node:fs';
import { styleText } from 'node:util';
import PQueue from 'p-queue';
import {
  carryOut,
  FAULT_KINDS,
  type FaultKind,
  type ProtocolCall,
  type Setting,
  type Trial,
  type Verdict,
} from './trial.ts';

/**
 * The fault matrix: every call of the protocol × every way in which a call can go wrong × every way in which a provider
 * rotates. `npm run test:faults`; a word as argument runs only the calls that contain it.
 */
const only = process.argv[2] ?? '';
const rotations = ['strict', 'grace', 'no_rotation'] as const;
const calls: readonly (readonly [ProtocolCall, Setting])[] = [
  ['scan', 'plain'],
  ['read profile', 'plain'],
  ['lease', 'plain'],
  ['re-read', 'plain'],
  ['exchange', 'plain'],
  ['store', 'plain'],
  ['record', 'plain'],
  ['seal', 'store_fails'],
  ['put escrow', 'store_fails'],
  ['open escrow', 'in_escrow'],
  ['move escrow', 'in_escrow'],
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

// Most of a trial is waiting for calls that hang.
const queue = new PQueue({ concurrency: 10 });
await Promise.all(
  trials.map((trial) =>
    queue.add(async () => {
      results.set(trial, await carryOut(trial));
      if (process.stderr.isTTY) process.stderr.write(`\r${results.size} of ${trials.length} trials `);
    }),
  ),
);
if (process.stderr.isTTY) process.stderr.write('\r');

const words: Record<Verdict['end'], string> = {
  kept: paint('green', 'kept'.padEnd(13)),
  dead: paint('green', 'told'.padEnd(13)),
  lost: paint('yellow', 'LOST'.padEnd(13)),
  unexplained: paint('red', 'UNEXPLAINED'.padEnd(13)),
};
for (const rotation of rotations) {
  console.log(`\n${rotation.padEnd(26)} ${FAULT_KINDS.map((fault) => fault.padEnd(13)).join(' ')}`);
  for (const [call, setting] of calls) {
    const row = trials.filter((t) => t.rotation === rotation && t.call === call && t.setting === setting);
    if (row.length === 0) continue;
    const name = setting === 'plain' ? call : `${call} (${setting.replace('_', ' ')})`;
    console.log(
      `${name.padEnd(26)} ${row.map((trial) => words[results.get(trial)?.end ?? 'unexplained']).join(' ')}`,
    );
  }
}

const named = ({ rotation, setting, call, fault }: Trial) =>
  `${rotation}, ${setting}: ${call} ${fault satisfies FaultKind}`;
const ends = [...results];
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
const report = process.env.COUNTS_FILE;
if (report !== undefined)
  writeFileSync(
    report,
    JSON.stringify({ numPassedTests: ends.length - bad, numFailedTests: bad, numFailedTestSuites: 0 }),
  );
console.log(
  `\ncells ${ends.length}, lost ${lost.length}, spent twice ${spentTwice.length}, unexplained ${unexplained.length}`,
);
process.exitCode = bad === 0 ? 0 : 1;
