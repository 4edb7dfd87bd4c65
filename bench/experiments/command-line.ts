import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Bench, compared, type Findings } from './experiment.ts';
import { interleaved } from './statistics.ts';

const execute = promisify(execFile);

/** Measures how long the published command line takes where it needs no AWS: each press of Tab waits for it. */
export async function commandLine({ scale, bundles, progress }: Bench): Promise<Findings> {
  progress('starting');
  const timed = (...args: string[]) => {
    return async () => {
      const begun = performance.now();
      await execute(process.execPath, args).catch(({ code }) => {
        if (code !== 2) throw new Error(`The command line ended with ${code}.`);
      });
      return performance.now() - begun;
    };
  };
  const times = await interleaved(scale === 'guard' ? 9 : 25, {
    nothing: timed('-e', '0'),
    help: timed(bundles.commandLine, '--help'),
    completion: timed(bundles.commandLine, '__complete', '--', 'accounts', 'l'),
    wrongUsage: timed(bundles.commandLine, 'nothing'),
  });
  const figure = (name: string, measured: readonly number[]) =>
    compared(
      { name, unit: 'ms', target: { kind: 'at_most', bound: 3, guard: 4 } },
      (milliseconds) => milliseconds,
      measured,
      { name: 'node -e 0', measured: times.nothing },
    );
  return {
    title: 'Command line',
    figures: [
      figure('--help', times.help),
      figure('completion', times.completion),
      figure('wrong usage', times.wrongUsage),
    ],
  };
}
