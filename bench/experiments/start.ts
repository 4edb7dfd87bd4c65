import { sizeOf } from '../programs/bundles.ts';
import { measure } from '../programs/measure.ts';
import { type Bench, compared, type Figure, type Findings } from './experiment.ts';
import { exact, interleaved } from './statistics.ts';

/** Measures bundle size, load time, and how much slower a process's first invocation is. */
export async function start({ scale, servers, bundles, progress }: Bench): Promise<Findings> {
  const rounds = scale === 'guard' ? 7 : 15;
  progress('loading');
  const population = await servers.populate({ accounts: 40, due: 0 });
  const environment = servers.environment(population);
  const first = async (module: string, event: unknown) => {
    const measurements = await measure({ module, environment }, [event, event]);
    const [cold, warm] = measurements.map(({ milliseconds }) => milliseconds);
    return {
      load: measurements[0]?.loadMilliseconds ?? 0,
      cpu: measurements[0]?.loadCpuMilliseconds ?? 0,
      cold: (cold ?? 0) - (warm ?? 0),
      warm: warm ?? 0,
    };
  };
  const loads = await interleaved(rounds, {
    function: () => first(bundles.function, {}),
    sdk: () => first(bundles.sdk, {}),
    sdkTrimmed: () => first(bundles.sdkTrimmed, {}),
    scan: () => first(bundles.bare, { kind: 'scan' }),
  });
  const size = (bundle: string) => sizeOf(bundle) / 1_000;
  const sizes = (name: string, bundle: string, target?: Figure['target']): Figure => ({
    name: 'bundle',
    unit: 'KB',
    value: exact(size(bundles.function)),
    baseline: { name, value: exact(size(bundle)) },
    ratio: exact(size(bundles.function) / size(bundle)),
    ...(target && { target }),
  });
  const loading = (name: 'sdk' | 'sdkTrimmed', title: string, target?: Figure['target']) =>
    compared({ name: 'load', unit: 'ms', ...(target && { target }) }, ({ load }) => load, loads.function, {
      name: title,
      measured: loads[name],
    });
  return {
    title: 'Start',
    figures: [
      sizes('the SDK alone', bundles.sdk, { kind: 'at_most', bound: 1.3, guard: 1.35 }),
      loading('sdk', 'the SDK alone', { kind: 'at_most', bound: 1.15, guard: 10 }),
      compared(
        { name: 'load: CPU', unit: 'ms', target: { kind: 'at_most', bound: 1.15, guard: 1.8 } },
        ({ cpu }) => cpu,
        loads.function,
        { name: 'the SDK alone', measured: loads.sdk },
      ),
      sizes('the SDK, trimmed', bundles.sdkTrimmed),
      loading('sdkTrimmed', 'the SDK, trimmed'),
      compared({ name: 'first invocation adds', unit: 'ms' }, ({ cold }) => cold, loads.function, {
        name: 'bare scan',
        measured: loads.scan,
      }),
    ],
  };
}
