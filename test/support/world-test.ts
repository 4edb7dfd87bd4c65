import { afterAll, test as base } from 'vitest';
import { awsEndpoint } from './aws-endpoint.ts';
import { createGuardedWorld } from './iam/guarded-world.ts';
import { type ProviderOptions, startStrictProvider } from './strict-provider.ts';
import type { createWorld } from './world.ts';

interface Endpoint {
  readonly url: string;
  close(): Promise<void>;
}

async function startServers<Aws extends Endpoint>(starting: Promise<Aws>, options?: ProviderOptions) {
  const aws = await starting;
  const provider = await startStrictProvider(options);
  const close = async () => {
    await provider.close();
    await aws.close();
  };
  return { aws, provider, close };
}

async function startWorld<Aws extends Endpoint>(
  starting: Promise<Aws>,
  options?: ProviderOptions,
  environment?: Record<string, string>,
  create: typeof createWorld = createGuardedWorld,
) {
  const { close, ...servers } = await startServers(starting, options);
  const world = await create(servers.aws.url, environment);
  await world.profile('crm', servers.provider.profile);
  const closeAll = () => {
    world.close();
    return close();
  };
  return { ...servers, world, close: closeAll };
}

/** For files where each test has a world of its own: an AWS endpoint and a provider that all share. */
export async function fileServers<Aws extends Endpoint>(...settings: Parameters<typeof startServers<Aws>>) {
  const { close, ...servers } = await startServers(...settings);
  afterAll(close);
  return servers;
}

/**
 * For files whose helpers need the world outside of a test: what `test` gives, shared in the same way. With `createWorld`
 * the function may do more than its role allows.
 */
export async function fileWorld<Aws extends Endpoint>(...settings: Parameters<typeof startWorld<Aws>>) {
  const { close, ...servers } = await startWorld(...settings);
  afterAll(close);
  return servers;
}

/**
 * A test that gets a `world` with its `provider`. All tests of a file share them, and the profile `crm` leads to the
 * provider. `test.override('environment', {…})` adds to the function's environment.
 */
export const test = base
  .extend('environment', { scope: 'file' }, {} as Record<string, string>)
  .extend('servers', { scope: 'file' }, async ({ environment }, { onCleanup }) => {
    const { close, ...servers } = await startWorld(awsEndpoint(), {}, environment);
    onCleanup(close);
    return servers;
  })
  .extend('world', { scope: 'file' }, ({ servers }) => servers.world)
  .extend('provider', { scope: 'file' }, ({ servers }) => servers.provider);
