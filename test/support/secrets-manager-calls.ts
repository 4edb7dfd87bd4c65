import { randomUUID } from 'node:crypto';
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { expect } from 'vitest';
import type { AwsEndpoint } from './aws-endpoint.ts';

/** The calls that contract tests of Secrets Manager make again and again. */
export function secretsManagerCalls(client: SecretsManagerClient, { kind }: AwsEndpoint) {
  return {
    /** A new secret under a name of its own. */
    async createSecret(SecretString = 'first') {
      const Name = `oauth/accounts/${randomUUID()}`;
      const { ARN = '', VersionId = '' } = await client.send(new CreateSecretCommand({ Name, SecretString }));
      return { Name, ARN, VersionId };
    },

    /** Returns the id of the new version. */
    async put(SecretId: string, SecretString: string, VersionStages?: string[]) {
      const { VersionId = '' } = await client.send(
        new PutSecretValueCommand({ SecretId, SecretString, ...(VersionStages && { VersionStages }) }),
      );
      return VersionId;
    },

    get: (SecretId: string, version: { VersionId?: string; VersionStage?: string } = {}) =>
      client.send(new GetSecretValueCommand({ SecretId, ...version })),

    /** The versions that have labels, each with them. */
    async stages(SecretId: string) {
      const { VersionIdsToStages = {} } = await client.send(new DescribeSecretCommand({ SecretId }));
      if (kind === 'local') return VersionIdsToStages;
      // moto shows versions without a label too.
      return Object.fromEntries(Object.entries(VersionIdsToStages).filter(([, labels]) => labels.length > 0));
    },

    /** All versions, with a label or without. */
    allVersions: async (SecretId: string) =>
      (await client.send(new ListSecretVersionIdsCommand({ SecretId, IncludeDeprecated: true }))).Versions,

    /** An error as a caller sees it. moto answers some with status 404, AWS all with 400. */
    error: (name: string, message?: RegExp) =>
      expect.objectContaining({
        name,
        $metadata: expect.objectContaining({ httpStatusCode: kind === 'local' ? 400 : expect.any(Number) }),
        ...(message && { message: expect.stringMatching(message) }),
      }),
  };
}
