import { test as base } from 'vitest';
import { awsEndpoint } from './aws-endpoint.ts';
import { startStrictProvider } from './strict-provider.ts';
import { createWorld } from './world.ts';

/**
 * A test that gets a `world` with its `provider`. All tests of a file share them, and the profile `crm` leads to the
 * provider. `test.override('environment', {…})` adds to the function's environment.
 */
export const test = base
  .extend('environment', { scope: 'file' }, {} as Record<string, string>)
  .extend('servers', { scope: 'file' }, async ({ environment }, { onCleanup }) => {
    const aws = await awsEndpoint();
    const provider = await startStrictProvider();
    const world = await createWorld(aws.url, environment);
    onCleanup(async () => {
      world.close();
      await provider.close();
      await aws.close();
    });
    await world.profile('crm', provider.profile);
    return { provider, world };
  })
  .extend('world', { scope: 'file' }, ({ servers }) => servers.world)
  .extend('provider', { scope: 'file' }, ({ servers }) => servers.provider);
