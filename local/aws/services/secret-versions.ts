import { AwsError } from '../protocol/aws-error.ts';
import type { Secret, SecretsStore, Version } from './secrets-store.ts';

/** The quotas of Secrets Manager that matter to us. */
export interface Limits {
  readonly maxVersions: number;
  /** A younger version is never removed to make room. */
  readonly protectedVersionSeconds: number;
  /** For all write operations together. */
  readonly writesPerSecond: number;
}

/** @see https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html */
export const defaultLimits: Limits = {
  maxVersions: 100,
  protectedVersionSeconds: 86_400,
  writesPerSecond: 50,
};

/** The value that a request wants to store. A binary one is in Base64. */
export interface NewVersion {
  readonly ClientRequestToken?: string | undefined;
  readonly SecretString?: string | undefined;
  readonly SecretBinary?: string | undefined;
}

/** Finding secrets and putting versions, with the errors of Secrets Manager. */
export function secretVersions(store: SecretsStore, now: () => number, limits: Limits) {
  /** @throws AwsError ResourceNotFoundException, ValidationException */
  function find(id: string): Secret {
    if (!id.startsWith('arn:')) checkName(id);
    const secret = store.find(id);
    if (secret === undefined) throw notFound('secret.');
    return secret;
  }

  return {
    find,

    /** @throws AwsError as above, or InvalidRequestException if the secret is scheduled for deletion */
    findActive(id: string): Secret {
      const secret = find(id);
      if (secret.deletedAt === null) return secret;
      throw invalidRequest(
        "You can't perform this operation on the secret because it was marked for deletion.",
      );
    },

    /** @throws AwsError ResourceNotFoundException */
    requireVersion(secret: Secret, id: string): Version {
      const version = store.version(secret, id);
      if (version === undefined) throw notFound(`secret value for VersionId: ${id}`);
      return version;
    },

    /**
     * Stores a version under the request's token and moves the labels to it. If that version exists with the same
     * value, it does nothing.
     *
     * @returns the version's id
     * @throws AwsError ResourceExistsException, LimitExceededException
     */
    put(secret: Secret, version: NewVersion, labels: readonly string[]): string {
      const id = checkToken(version.ClientRequestToken);
      const { SecretString = null, SecretBinary = null } = version;
      const existing = store.version(secret, id);
      if (existing !== undefined) {
        if (existing.secretString === SecretString && existing.secretBinary === SecretBinary) return id;
        throw new AwsError(
          'ResourceExistsException',
          `You can't use ClientRequestToken ${id} because that value is already in use for a version of secret ${secret.arn}.`,
        );
      }
      const isFirst = makeRoom(secret) === 0;
      store.addVersion(secret, id, SecretString, SecretBinary);
      for (const label of isFirst ? [...labels, 'AWSCURRENT'] : labels) store.moveLabel(secret, label, id);
      return id;
    },

    stagesByVersion: (secret: Secret): Record<string, readonly string[]> =>
      Object.fromEntries(
        store
          .versions(secret)
          .filter(({ labels }) => labels.length > 0)
          .map(({ id, labels }) => [id, labels]),
      ),
  };

  /** Removes old versions to stay within the limit. @returns how many are left */
  function makeRoom(secret: Secret): number {
    const excess = store.countVersions(secret) + 1 - limits.maxVersions;
    if (excess > 0) store.removeUnlabelled(secret, now() - limits.protectedVersionSeconds * 1000, excess);
    const count = store.countVersions(secret);
    if (count < limits.maxVersions) return count;
    throw new AwsError(
      'LimitExceededException',
      `The secret has ${count} versions, the most it can have, and none that can be removed yet.`,
    );
  }
}

export const notFound = (what: string) =>
  new AwsError('ResourceNotFoundException', `Secrets Manager can't find the specified ${what}`);
export const invalidRequest = (message: string) => new AwsError('InvalidRequestException', message);
export const invalidParameter = (message: string) => new AwsError('InvalidParameterException', message);

/** @throws AwsError ValidationException */
export function checkName(name: string): void {
  if (/^[A-Za-z0-9/_+=.@-]+$/.test(name)) return;
  throw new AwsError(
    'ValidationException',
    'Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!',
  );
}

/** SDKs always send a token, so a request without one is an error. @throws AwsError */
export function checkToken(clientRequestToken: string | undefined): string {
  if (clientRequestToken === undefined)
    throw invalidRequest('You must provide a ClientRequestToken value. We recommend a UUID-type value.');
  if (clientRequestToken.length < 32 || clientRequestToken.length > 64)
    throw invalidParameter('ClientRequestToken must be 32-64 characters long.');
  return clientRequestToken;
}
