import type { DatabaseSync } from 'node:sqlite';
import * as v from 'valibot';
import { AwsError } from './aws-error.ts';
import { integerBetween, lengthBetween, type Operations, operation } from './protocol.ts';
import { type Secret, secretsStore, type Version } from './secrets-store.ts';
import { transaction } from './store.ts';
import { tokenBucket } from './token-bucket.ts';

/** The quotas of Secrets Manager that shape a design; the defaults are the real ones. */
export interface Limits {
  /** Versions that a secret keeps. */
  readonly maxVersions: number;
  /** No version younger than this is removed to make room. */
  readonly protectedVersionSeconds: number;
  /** Of all write operations together. */
  readonly writesPerSecond: number;
}

export const defaultLimits: Limits = {
  maxVersions: 100,
  protectedVersionSeconds: 86_400,
  writesPerSecond: 50,
};

const secretId = v.pipe(v.string(), ...lengthBetween(1, 2048));
const versionId = v.pipe(v.string(), ...lengthBetween(32, 64));
const versionStage = v.pipe(v.string(), ...lengthBetween(1, 256));
const nextToken = v.optional(v.string());
const maxResults = v.optional(integerBetween(1, 100), 100);
const value = {
  ClientRequestToken: v.optional(v.string()),
  SecretString: v.optional(
    v.pipe(
      v.string(),
      v.minLength(1, 'Member must have length greater than or equal to 1'),
      v.maxBytes(65_536, 'Member must have length less than or equal to 65536'),
    ),
  ),
  SecretBinary: v.optional(v.pipe(v.string(), ...lengthBetween(1, 87_384))),
};
type Value = { readonly [Member in keyof typeof value]?: string | undefined };

/**
 * Secrets Manager: the operations that this project's parts call, with the errors of the real ones.
 * @see https://docs.aws.amazon.com/secretsmanager/latest/apireference/
 */
export function secretsManager(db: DatabaseSync, now: () => number, limits: Limits): Operations {
  const store = secretsStore(db, now);
  const takeToken = tokenBucket(limits.writesPerSecond, now);

  function write<Schema extends v.GenericSchema>(
    schema: Schema,
    run: (input: v.InferOutput<Schema>) => unknown,
  ) {
    const checked = operation(schema, (input) => transaction(db, () => run(input)));
    return (input: unknown) => {
      if (!takeToken()) throw new AwsError('ThrottlingException', 'Rate exceeded');
      return checked(input);
    };
  }

  function find(id: string): Secret {
    if (!id.startsWith('arn:')) checkName(id);
    const secret = store.find(id);
    if (secret === undefined) throw notFound('secret.');
    return secret;
  }

  function findActive(id: string): Secret {
    const secret = find(id);
    if (secret.deletedAt === null) return secret;
    throw invalidRequest(
      "You can't perform this operation on the secret because it was marked for deletion.",
    );
  }

  function requireVersion(secret: Secret, id: string): Version {
    const version = store.version(secret, id);
    if (version === undefined) throw notFound(`secret value for VersionId: ${id}`);
    return version;
  }

  /** Stores a version under the request's token, unless the same one is there already. Returns its id. */
  function putVersion(secret: Secret, input: Value, labels: readonly string[]): string {
    const id = checkToken(input.ClientRequestToken);
    const { SecretString = null, SecretBinary = null } = input;
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
    for (const label of isFirst ? new Set([...labels, 'AWSCURRENT']) : labels)
      store.moveLabel(secret, label, id);
    return id;
  }

  /** Removes what may be removed to stay within the limit; returns how many versions are left. */
  function makeRoom(secret: Secret): number {
    const excess = store.versions(secret).length + 1 - limits.maxVersions;
    if (excess > 0) store.removeUnlabelled(secret, now() - limits.protectedVersionSeconds * 1000, excess);
    const { length } = store.versions(secret);
    if (length < limits.maxVersions) return length;
    throw new AwsError(
      'LimitExceededException',
      `The secret has ${length} versions, the most it can have, and none that can be removed yet.`,
    );
  }

  /** The versions that have labels, each with them. */
  const labelledVersions = (secret: Secret) =>
    Object.fromEntries(
      store
        .versions(secret)
        .map(({ id }): [string, string[]] => [id, store.labels(secret, id)])
        .filter(([, labels]) => labels.length > 0),
    );

  const describe = (secret: Secret) => ({
    ...identity(secret),
    ...JSON.parse(secret.details),
    CreatedDate: secret.createdAt / 1000,
    LastChangedDate: secret.changedAt / 1000,
    ...(secret.deletedAt !== null && { DeletedDate: secret.deletedAt / 1000 }),
  });

  return {
    CreateSecret: write(
      v.strictObject({
        Name: v.pipe(v.string(), ...lengthBetween(1, 512)),
        ...value,
        Description: v.optional(v.pipe(v.string(), ...lengthBetween(0, 2048))),
        KmsKeyId: v.optional(v.string()),
        Tags: v.optional(v.array(v.strictObject({ Key: v.string(), Value: v.string() }))),
      }),
      ({ Name, Description, KmsKeyId, Tags, ...content }) => {
        checkName(Name);
        const id = checkToken(content.ClientRequestToken);
        const known = store.find(Name);
        if (known !== undefined && known.deletedAt !== null)
          throw invalidRequest(
            "You can't create this secret because a secret with this name is already scheduled for deletion.",
          );
        if (known !== undefined && store.version(known, id) === undefined)
          throw new AwsError(
            'ResourceExistsException',
            `The operation failed because the secret ${Name} already exists.`,
          );
        if (known === undefined) store.create(Name, JSON.stringify({ Description, KmsKeyId, Tags }));
        const secret = known ?? find(Name);
        return {
          ...identity(secret),
          ...(hasValue(content) && { VersionId: putVersion(secret, content, ['AWSCURRENT']) }),
        };
      },
    ),

    PutSecretValue: write(
      v.strictObject({
        SecretId: secretId,
        ...value,
        VersionStages: v.optional(v.pipe(v.array(versionStage), ...lengthBetween(1, 20)), ['AWSCURRENT']),
      }),
      ({ SecretId, VersionStages, ...content }) => {
        const secret = findActive(SecretId);
        if (!hasValue(content)) throw invalidRequest('You must provide either SecretString or SecretBinary.');
        const VersionId = putVersion(secret, content, VersionStages);
        return { ...identity(secret), VersionId, VersionStages: store.labels(secret, VersionId) };
      },
    ),

    GetSecretValue: operation(
      v.strictObject({
        SecretId: secretId,
        VersionId: v.optional(versionId),
        VersionStage: v.optional(versionStage),
      }),
      ({ SecretId, VersionId, VersionStage }) => {
        const secret = findActive(SecretId);
        const stage = VersionStage ?? 'AWSCURRENT';
        const id = VersionId ?? store.labelled(secret, stage);
        if (id === undefined) throw notFound(`secret value for staging label: ${stage}`);
        const version = requireVersion(secret, id);
        const VersionStages = store.labels(secret, id);
        if (VersionStage !== undefined && !VersionStages.includes(VersionStage))
          throw invalidRequest(
            'You provided a VersionStage that is not associated to the provided VersionId.',
          );
        return {
          ...identity(secret),
          VersionId: id,
          ...(version.secretString !== null && { SecretString: version.secretString }),
          ...(version.secretBinary !== null && { SecretBinary: version.secretBinary }),
          ...(VersionStages.length > 0 && { VersionStages }),
          CreatedDate: version.createdAt / 1000,
        };
      },
    ),

    UpdateSecretVersionStage: write(
      v.strictObject({
        SecretId: secretId,
        VersionStage: versionStage,
        MoveToVersionId: v.optional(versionId),
        RemoveFromVersionId: v.optional(versionId),
      }),
      ({ SecretId, VersionStage, MoveToVersionId, RemoveFromVersionId }) => {
        const secret = findActive(SecretId);
        const holder = store.labelled(secret, VersionStage);
        if (MoveToVersionId !== undefined) requireVersion(secret, MoveToVersionId);
        if (RemoveFromVersionId !== undefined) requireVersion(secret, RemoveFromVersionId);
        if (RemoveFromVersionId !== undefined && RemoveFromVersionId !== holder)
          throw invalidParameter(
            `The staging label ${VersionStage} is not attached to the version in RemoveFromVersionId.`,
          );
        if (MoveToVersionId === undefined && VersionStage === 'AWSCURRENT')
          throw invalidParameter(
            "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.",
          );
        if (holder !== undefined && holder !== MoveToVersionId && RemoveFromVersionId === undefined)
          throw invalidParameter(
            `The parameter RemoveFromVersionId can't be empty. Staging label ${VersionStage} is currently attached to version ${holder}, so you must explicitly reference that version in RemoveFromVersionId.`,
          );
        if (MoveToVersionId === undefined) store.removeLabel(secret, VersionStage);
        else store.moveLabel(secret, VersionStage, MoveToVersionId);
        return identity(secret);
      },
    ),

    DescribeSecret: operation(v.strictObject({ SecretId: secretId }), ({ SecretId }) => {
      const secret = find(SecretId);
      return { ...describe(secret), VersionIdsToStages: labelledVersions(secret) };
    }),

    ListSecretVersionIds: operation(
      v.strictObject({
        SecretId: secretId,
        IncludeDeprecated: v.optional(v.boolean(), false),
        MaxResults: maxResults,
        NextToken: nextToken,
      }),
      ({ SecretId, IncludeDeprecated, MaxResults, NextToken }) => {
        const secret = find(SecretId);
        const versions = store
          .versions(secret)
          .map(({ id, createdAt }) => ({ id, createdAt, labels: store.labels(secret, id) }))
          .filter(({ labels }) => IncludeDeprecated || labels.length > 0);
        const start = position(NextToken);
        const end = start + MaxResults;
        return {
          ...identity(secret),
          Versions: versions.slice(start, end).map(({ id, createdAt, labels }) => ({
            VersionId: id,
            ...(labels.length > 0 && { VersionStages: labels }),
            CreatedDate: createdAt / 1000,
            KmsKeyIds: ['DefaultEncryptionKey'],
          })),
          ...(end < versions.length && { NextToken: token(end) }),
        };
      },
    ),

    ListSecrets: operation(
      v.strictObject({
        Filters: v.optional(
          v.array(
            v.strictObject({
              Key: v.literal('name', 'The local endpoint filters by name alone'),
              Values: v.pipe(
                v.array(v.pipe(v.string(), v.regex(/^[^!]/, 'Member is not implemented'))),
                ...lengthBetween(1, 10),
              ),
            }),
          ),
          [],
        ),
        IncludePlannedDeletion: v.optional(v.boolean(), false),
        MaxResults: maxResults,
        NextToken: nextToken,
      }),
      ({ Filters, IncludePlannedDeletion, MaxResults, NextToken }) => {
        const prefixes = Filters[0]?.Values ?? [''];
        const scope = IncludePlannedDeletion ? 'with_deleted' : 'active';
        const found = store.list(prefixes, scope, position(NextToken), MaxResults + 1);
        const page = found.slice(0, MaxResults);
        const last = page.at(-1);
        return {
          SecretList: page.map((secret) => ({
            ...describe(secret),
            SecretVersionsToStages: labelledVersions(secret),
          })),
          ...(found.length > MaxResults && last !== undefined && { NextToken: token(last.row) }),
        };
      },
    ),

    DeleteSecret: write(
      v.strictObject({
        SecretId: secretId,
        RecoveryWindowInDays: v.optional(v.number()),
        ForceDeleteWithoutRecovery: v.optional(v.boolean(), false),
      }),
      ({ SecretId, RecoveryWindowInDays, ForceDeleteWithoutRecovery }) => {
        if (ForceDeleteWithoutRecovery && RecoveryWindowInDays !== undefined)
          throw invalidParameter(
            "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
          );
        const days = RecoveryWindowInDays ?? 30;
        if (days < 7 || days > 30)
          throw invalidParameter('The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).');
        if (ForceDeleteWithoutRecovery) {
          const secret = store.find(SecretId);
          // Asking for what is not there to be gone is no error.
          if (secret !== undefined) store.remove(secret);
          return { ...(secret ? identity(secret) : { Name: SecretId }), DeletionDate: now() / 1000 };
        }
        const secret = findActive(SecretId);
        const purgeAt = now() + days * 86_400_000;
        store.scheduleDeletion(secret, { deletedAt: now(), purgeAt });
        return { ...identity(secret), DeletionDate: purgeAt / 1000 };
      },
    ),

    RestoreSecret: write(v.strictObject({ SecretId: secretId }), ({ SecretId }) => {
      const secret = find(SecretId);
      store.scheduleDeletion(secret, { deletedAt: null, purgeAt: null });
      return identity(secret);
    }),
  };
}

const notFound = (what: string) =>
  new AwsError('ResourceNotFoundException', `Secrets Manager can't find the specified ${what}`);
const invalidRequest = (message: string) => new AwsError('InvalidRequestException', message);
const invalidParameter = (message: string) => new AwsError('InvalidParameterException', message);

const identity = ({ arn, name }: Secret) => ({ ARN: arn, Name: name });
const hasValue = ({ SecretString, SecretBinary }: Value) =>
  SecretString !== undefined || SecretBinary !== undefined;

function checkName(name: string): void {
  if (/^[A-Za-z0-9/_+=.@-]+$/.test(name)) return;
  throw new AwsError(
    'ValidationException',
    'Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!',
  );
}

/** The SDKs always send one; a request without is an error. */
function checkToken(clientRequestToken: string | undefined): string {
  if (clientRequestToken === undefined)
    throw invalidRequest('You must provide a ClientRequestToken value. We recommend a UUID-type value.');
  if (clientRequestToken.length < 32 || clientRequestToken.length > 64)
    throw invalidParameter('ClientRequestToken must be 32-64 characters long.');
  return clientRequestToken;
}

/** A place in a list as an opaque token, and back. */
const token = (place: number) => Buffer.from(`page:${place}`).toString('base64url');
function position(nextToken: string | undefined): number {
  if (nextToken === undefined) return 0;
  const place = /^page:(\d+)$/.exec(Buffer.from(nextToken, 'base64url').toString())?.[1];
  if (place === undefined) throw new AwsError('InvalidNextTokenException', 'The NextToken value is invalid.');
  return Number(place);
}
