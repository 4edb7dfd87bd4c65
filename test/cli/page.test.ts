import { readFileSync } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { createProgram } from '../../cli/program.ts';
import { widthOf } from '../../terminal/display-text.ts';
import { cli } from '../support/cli.ts';

const page = readFileSync('docs/cli.md', 'utf8');
const sink = () => new Writable({ write: (_, __, done) => done() });
const streams = { stdin: Readable.from([]), stdout: sink(), stderr: sink(), env: {} };
const program = createProgram(streams, new AbortController().signal, () => {});

function pathsOf(command: Command, path: readonly string[] = []): string[] {
  return command.commands
    .filter((one) => !one.name().startsWith('__'))
    .flatMap((one) => {
      const own = [...path, one.name()];
      return one.commands.length === 0 ? [own.join(' ')] : pathsOf(one, own);
    });
}

const commands = pathsOf(program);

describe('docs/cli.md', () => {
  test('names every option that its text speaks of as it is', () => {
    const options = (command: Command): string[] => [
      ...command.options.map(({ long }) => long ?? ''),
      ...command.commands.flatMap(options),
    ];
    const known = [...options(program), '--help', '--prefix', '--silent'];
    const text = page.replaceAll(/^```[\s\S]*?^```/gm, '');
    expect(
      [...text.matchAll(/--[a-z][a-z-]+/g)].map(([name]) => name).filter((name) => !known.includes(name)),
    ).toEqual([]);
  });
});

describe.each(['', 'accounts', ...commands])('%s --help', (name) => {
  test('fits 80 columns, says what it does, and has examples', async () => {
    const { code, stdout } = await cli([...name.split(' ').filter(Boolean), '--help'], { columns: 80 });
    expect(code).toBe(0);
    for (const line of stdout.split('\n')) expect(widthOf(line), line).toBeLessThanOrEqual(80);
    expect(stdout).toMatch(/\n\n[A-Z][^\n]+/);
    if (commands.includes(name)) expect(stdout).toMatch(/\nExamples:\n {2}\S/);
  });
});
