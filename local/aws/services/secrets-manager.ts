import type { DatabaseSync } from 'node:sqlite';
import * as v from 'valibot';
import { transaction } from '../../shared/store.ts';
import { tokenBucket } from '../../shared/token-bucket.ts';
import { AwsError } from '../protocol/aws-error.ts';
import { integer, list, operation, pagePlace, pageToken, text, utf8 } from '../protocol/operation.ts';
import type { Operations } from '../protocol/protocol.ts';
import {
  checkName,
  checkToken,
  invalidParameter,
  invalidRequest,
  type Limits,
  type NewVersion,
  notFound,
  secretVersions,
} from './secret-versions.ts';
import { type Secret, secretsStore } from './secrets-store.ts';

const secretId = text(1, 2048);
const versionId = text(32, 64);
const versionStage = text(1, 256);
const paging = { MaxResults: v.optional(integer(1, 100), 100), NextToken: v.optional(v.string()) };
const newVersion = {
  ClientRequestToken: v.optional(v.string()),
  SecretString: v.optional(utf8(1, 65_536)),
  SecretBinary: v.optional(text(1, 87_384)),
};

/**
 * Secrets Manager: the operations that this project calls, with AWS's errors.
 * @see https://docs.aws.amazon.com/secretsmanager/latest/apireference/
 */
export function secretsManager(db: DatabaseSync, now: () => number, limits: Limits): Operations {
  const store = secretsStore(db, now);
  const versions = secretVersions(store, now, limits);
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
        Name: text(1, 512),
        ...newVersion,
        Description: v.optional(text(0, 2048)),
        KmsKeyId: v.optional(v.string()),
        Tags: v.optional(v.array(v.strictObject({ Key: v.string(), Value: v.string() }))),
      }),
      ({ Name, Description, KmsKeyId, Tags, ...version }) => {
        checkName(Name);
        const token = checkToken(version.ClientRequestToken);
        const existing = store.find(Name);
        if (existing !== undefined && existing.deletedAt !== null)
          throw invalidRequest(
            "You can't create this secret because a secret with this name is already scheduled for deletion.",
          );
        if (existing !== undefined && store.version(existing, token) === undefined)
          throw new AwsError(
            'ResourceExistsException',
            `The operation failed because the secret ${Name} already exists.`,
          );
        if (existing === undefined) store.create(Name, JSON.stringify({ Description, KmsKeyId, Tags }));
        const secret = versions.find(Name);
        if (!hasValue(version)) return identity(secret);
        return { ...identity(secret), VersionId: versions.put(secret, version, ['AWSCURRENT']) };
      },
    ),

    PutSecretValue: write(
      v.strictObject({
        SecretId: secretId,
        ...newVersion,
        VersionStages: v.optional(list(versionStage, 1, 20), ['AWSCURRENT']),
      }),
      ({ SecretId, VersionStages, ...version }) => {
        const secret = versions.findActive(SecretId);
        if (!hasValue(version)) throw invalidRequest('You must provide either SecretString or SecretBinary.');
        const VersionId = versions.put(secret, version, VersionStages);
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
        const secret = versions.findActive(SecretId);
        const stage = VersionStage ?? 'AWSCURRENT';
        const id = VersionId ?? store.labelled(secret, stage);
        if (id === undefined) throw notFound(`secret value for staging label: ${stage}`);
        const version = versions.requireVersion(secret, id);
        const labels = store.labels(secret, id);
        if (VersionStage !== undefined && !labels.includes(VersionStage))
          throw invalidRequest(
            'You provided a VersionStage that is not associated to the provided VersionId.',
          );
        return {
          ...identity(secret),
          VersionId: id,
          SecretString: version.secretString ?? undefined,
          SecretBinary: version.secretBinary ?? undefined,
          VersionStages: labels.length > 0 ? labels : undefined,
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
        const secret = versions.findActive(SecretId);
        const holder = store.labelled(secret, VersionStage);
        if (MoveToVersionId !== undefined) versions.requireVersion(secret, MoveToVersionId);
        if (RemoveFromVersionId !== undefined) versions.requireVersion(secret, RemoveFromVersionId);
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
      const secret = versions.find(SecretId);
      return { ...describe(secret), VersionIdsToStages: versions.stagesByVersion(secret) };
    }),

    ListSecretVersionIds: operation(
      v.strictObject({
        SecretId: secretId,
        IncludeDeprecated: v.optional(v.boolean(), false),
        ...paging,
      }),
      ({ SecretId, IncludeDeprecated, MaxResults, NextToken }) => {
        const secret = versions.find(SecretId);
        const listed = store
          .versions(secret)
          .filter(({ labels }) => IncludeDeprecated || labels.length > 0)
          .map(({ id, createdAt, labels }) => ({
            VersionId: id,
            VersionStages: labels.length > 0 ? labels : undefined,
            CreatedDate: createdAt / 1000,
            KmsKeyIds: ['DefaultEncryptionKey'],
          }));
        const start = pagePlace(NextToken, 'InvalidNextTokenException');
        const end = start + MaxResults;
        return {
          ...identity(secret),
          Versions: listed.slice(start, end),
          NextToken: end < listed.length ? pageToken(end) : undefined,
        };
      },
    ),

    ListSecrets: operation(
      v.strictObject({
        Filters: v.optional(
          list(
            v.strictObject({
              Key: v.literal('name'),
              Values: list(v.pipe(v.string(), v.regex(/^[^!]/, 'Member must not be a negation')), 1, 10),
            }),
            0,
            1,
          ),
          [],
        ),
        IncludePlannedDeletion: v.optional(v.boolean(), false),
        ...paging,
      }),
      ({ Filters, IncludePlannedDeletion, MaxResults, NextToken }) => {
        const after = pagePlace(NextToken, 'InvalidNextTokenException');
        const scope = IncludePlannedDeletion ? 'with_deleted' : 'active';
        const found = store.list(Filters[0]?.Values ?? [''], scope, after, MaxResults + 1);
        const page = found.slice(0, MaxResults);
        const last = page.at(-1);
        return {
          SecretList: page.map((secret) => ({
            ...describe(secret),
            SecretVersionsToStages: versions.stagesByVersion(secret),
          })),
          NextToken: last !== undefined && found.length > MaxResults ? pageToken(last.row) : undefined,
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
        const days = RecoveryWindowInDays ?? 30;
        if (days < 7 || days > 30)
          throw invalidParameter('The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).');
        if (ForceDeleteWithoutRecovery && RecoveryWindowInDays !== undefined)
          throw invalidParameter(
            "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
          );
        if (ForceDeleteWithoutRecovery) {
          const secret = store.find(SecretId);
          // A missing secret is what was wanted, so no error.
          if (secret !== undefined) store.remove(secret);
          return { ...(secret ? identity(secret) : { Name: SecretId }), DeletionDate: now() / 1000 };
        }
        const secret = versions.findActive(SecretId);
        const purgeAt = now() + days * 86_400_000;
        store.scheduleDeletion(secret, { deletedAt: now(), purgeAt });
        return { ...identity(secret), DeletionDate: purgeAt / 1000 };
      },
    ),

    RestoreSecret: write(v.strictObject({ SecretId: secretId }), ({ SecretId }) => {
      const secret = versions.find(SecretId);
      store.scheduleDeletion(secret, { deletedAt: null, purgeAt: null });
      return identity(secret);
    }),
  };
}

const identity = ({ arn, name }: Secret) => ({ ARN: arn, Name: name });
const hasValue = ({ SecretString, SecretBinary }: NewVersion) =>
  SecretString !== undefined || SecretBinary !== undefined;
