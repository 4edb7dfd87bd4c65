import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Key } from 'aws-cdk-lib/aws-kms';
import { OAuthTokenRefresher } from '../../../infra/oauth-token-refresher.ts';
import { createWorld, type World, type WorldParts } from '../world.ts';
import type { Home } from './aws-calls.ts';
import { type Deployed, deploy, type TemplateJson } from './deployed.ts';
import { type Guard, startGuard } from './guard.ts';

/** A world whose function has the role of the synthesized template, and can do nothing else. */
export interface GuardedWorld extends World {
  readonly guard: Guard;
}

/** @param endpoint an AWS endpoint: the local one, or another emulator's */
export async function createGuardedWorld(
  endpoint: string,
  environment: Record<string, string> = {},
): Promise<GuardedWorld> {
  const started: Guard[] = [];
  const world = await createWorld(endpoint, environment, async (parts) => {
    const { deployed, home } = deployedAs(parts);
    const guard = await startGuard({
      statements: deployed.identity('TokensRole'),
      home,
      endpointOf: () => endpoint,
    });
    started.push(guard);
    return guard.url;
  });
  const [guard] = started;
  if (guard === undefined) throw new Error('The world asked for no guard.');
  const close = () => {
    world.close();
    void guard.close();
    // A test may pass though a call was refused, since the function copes with refusals.
    const refused = [...new Set(guard.refused())];
    if (refused.length > 0) throw new Error(`The function's role does not allow ${refused.join(', ')}.`);
  };
  return { ...world, close, guard };
}

/** Stands for the prefix, so that one synthesis serves all worlds. */
const ANY_PREFIX = 'prefix-of-the-world/';
let synthesized: string | undefined;

/** The construct as if it were deployed with the parts of a world. */
export function deployedAs(
  { tableName, prefix, escrowKeyArn }: WorldParts,
  names: Readonly<Record<string, string>> = {},
): {
  readonly deployed: Deployed;
  readonly home: Home;
} {
  synthesized ??= synthesize();
  const template: TemplateJson = JSON.parse(synthesized.replaceAll(ANY_PREFIX, prefix));
  const [, , , region = '', account = '', key = ''] = escrowKeyArn.split(':');
  const place = { account, region };
  const deployed = deploy(template, place, {
    TokensAccounts: tableName,
    TokensEscrowKey: key.replace('key/', ''),
    ...names,
  });
  const home = {
    ...place,
    tableKeyArn: deployed.arnOf('TokensTableKey'),
    secretsKeyArn: deployed.arnOf('SecretsKey'),
    keyPolicies: new Map(
      ['TokensTableKey', 'TokensEscrowKey', 'SecretsKey'].map((id) => [
        deployed.arnOf(id),
        deployed.resource(id),
      ]),
    ),
  };
  return { deployed, home };
}

/** With a key of the user's for the secrets: then the function needs most. */
function synthesize(): string {
  const stack = new Stack(new App({ analyticsReporting: false }), 'Test');
  const refresher = new OAuthTokenRefresher(stack, 'Tokens', {
    secretNamePrefix: ANY_PREFIX,
    secretsEncryptionKey: new Key(stack, 'SecretsKey'),
  });
  refresher.addReaderPolicy('acme');
  return JSON.stringify(Template.fromStack(stack).toJSON());
}
