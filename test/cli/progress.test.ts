import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { progressLine, startProgress } from '../../terminal/progress.ts';
import { createTerminal } from '../../terminal/terminal.ts';

test.each<[string, Parameters<typeof progressLine>, string]>([
  ['nothing yet', [0, 10_000, 0, 79], `${'░'.repeat(24)} 0 of 10,000 (0 %), 0/s`],
  [
    'half of it',
    [5_000, 10_000, 125, 79],
    `${'█'.repeat(12)}${'░'.repeat(12)} 5,000 of 10,000 (50 %), 40/s, 2 min left`,
  ],
  ['all of it', [3, 3, 1, 79], `${'█'.repeat(24)} 3 of 3 (100 %), 3/s, 0 s left`],
  ['no room for a bar', [12_345, 20_000, 275, 45], '12,345 of 20,000 (61 %), 45/s, 3 min left'],
  ['no room for the rate', [12_345, 20_000, 275, 39], '12,345 of 20,000 (61 %), 3 min left'],
  ['room for hardly anything', [12_345, 20_000, 275, 20], '12,345 of 20,000 (61 %)'],
  ['without a bar', [5_000, 10_000, 125], '5,000 of 10,000 (50 %), 40/s, 2 min left'],
])('%s', (_, args, line) => {
  expect(progressLine(...args)).toBe(line);
});

function told(terminal: object, json = false): string[] {
  const lines: string[] = [];
  const stream = () => new PassThrough();
  const stderr = Object.assign(stream(), terminal);
  stderr.on('data', (chunk: Buffer) => lines.push(chunk.toString()));
  let now = 0;
  const progress = startProgress(
    createTerminal({ stdin: stream(), stdout: stream(), stderr, env: {} }, json),
    100,
    () => now,
  );
  for (let step = 1; step <= 100; step++) {
    now += 250;
    progress.step();
  }
  progress.end();
  return lines;
}

test('a pipe gets a line each ten seconds', () => {
  expect(told({})).toEqual(['40 of 100 (40 %), 4/s, 15 s left\n', '80 of 100 (80 %), 4/s, 5 s left\n']);
});

test('a terminal gets a bar where it has room for one, and none in the end', () => {
  expect(told({ isTTY: true, columns: 40 })[0]).toBe('0 of 100 (0 %), 0/s');
  const lines = told({ isTTY: true, columns: 60 });
  expect(lines[0]).toBe(`${'░'.repeat(24)} 0 of 100 (0 %), 0/s`);
  expect(lines.at(-1)).toBe('\r\u001b[2K');
  expect(lines.length).toBeGreaterThan(100);
});

test('nothing with --json', () => {
  expect(told({ isTTY: true }, true)).toEqual([]);
});
