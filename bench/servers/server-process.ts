import { endFunction, serveFleet } from './asked-fleet.ts';
import { aws, begin, escrowKeyId, provider, trafficSinceBegin } from './local-servers.ts';
import { judge, populate } from './population.ts';
import type { ServerMethods } from './servers.ts';
import { aftermath, trouble } from './troubled-accounts.ts';

/** The process of the servers: messages say what to do. */
const methods: ServerMethods = {
  populate,
  trouble,
  aftermath,
  judge,
  begin,
  traffic: trafficSinceBegin,
  serve: serveFleet,
};

process.on(
  'message',
  async ({ id, method, argument }: { id: number; method: keyof ServerMethods; argument: never }) => {
    const answer = await methods[method](argument).then(
      (result) => ({ id, result }),
      (error: unknown) => ({ id, error: String(error) }),
    );
    process.send?.(answer);
  },
);
process.on('disconnect', () => {
  endFunction();
  process.exit();
});
process.send?.({
  url: aws.url,
  escrowKeyId,
  tokenEndpoint: provider.tokenEndpoint,
  profile: provider.profile,
});
