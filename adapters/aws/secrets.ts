import {
  GetSecretValueCommand,
  type GetSecretValueCommandInput,
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  type SecretsManagerClient,
  UpdateSecretVersionStageCommand,
  type UpdateSecretVersionStageCommandInput,
} from '@aws-sdk/client-secrets-manager';
import { type AwsFailure, awsFailure } from './aws-error.ts';

/** One version of a secret. `text` is absent where the secret holds binary data. */
export interface SecretVersion {
  readonly text: string | undefined;
  readonly versionId: string;
  /** When it was written, seconds since the epoch; undefined where the service does not say. */
  readonly createdAt: number | undefined;
  /** It became the current version by `replace`. */
  readonly isClaim?: boolean | undefined;
  /** The secret's own name and ARN, however it was asked for. */
  readonly name?: string | undefined;
  readonly arn?: string | undefined;
}

export type ReadSecret =
  | { readonly kind: 'found'; readonly secret: SecretVersion }
  /** `awaitingDeletion`: it is still there, and can be restored. */
  | { readonly kind: 'missing'; readonly awaitingDeletion: boolean }
  | { readonly kind: 'failed'; readonly failure: AwsFailure };

export type PutSecret =
  | { readonly kind: 'stored' }
  | { readonly kind: 'failed'; readonly failure: AwsFailure };

export interface Replacement {
  readonly secretId: string;
  /** The version that was read, and that alone is replaced. */
  readonly from: string;
  readonly text: string;
  /** Becomes the new version's id; the same for the same text over the same version. */
  readonly versionId: string;
}

/** Secrets Manager, as far as the function uses it. Nothing here throws. */
export interface Secrets {
  /** Reads the version that carries a staging label, `AWSCURRENT` by default. */
  read(secretId: string, stage?: 'AWSCURRENT' | 'AWSPREVIOUS'): Promise<ReadSecret>;
  /** Reads one version, whatever labels it carries; `missing` where there is none with this id. */
  readVersion(secretId: string, versionId: string): Promise<ReadSecret>;
  /**
   * Tries once to make `text` the secret's current version.
   *
   * @param requestToken becomes the version's id; a try that is repeated with it stores at most once
   */
  put(secretId: string, text: string, requestToken: string, timeoutMilliseconds: number): Promise<PutSecret>;
  /**
   * Takes `AWSCURRENT` from a version that became current by `replace`, after a `put` over it. Secrets Manager has done
   * so by itself, and refuses this, which is ignored; emulators leave the label on both.
   */
  relabel(secretId: string, fromVersionId: string, toVersionId: string): Promise<void>;
  /**
   * Puts `text` in the place of one version, and of no other: a compare-and-set, in two writes. The new version gets a
   * label of its own first; then `AWSCURRENT` moves to it from the version that was read.
   *
   * @returns `overtaken` where the secret has another current version, or the version's id stands for another text
   */
  replace(
    replacement: Replacement,
    timeoutMilliseconds: number,
  ): Promise<PutSecret | { readonly kind: 'overtaken' }>;
  /**
   * Makes sure that nothing is stored under a version's id any more, or finds that something was: puts the text that was
   * read under that id, and a label of its own. A write meets what is so, which a read may not show yet.
   *
   * @returns `taken` where there is such a version with another text
   */
  fence(
    secretId: string,
    text: string,
    versionId: string,
    timeoutMilliseconds: number,
  ): Promise<PutSecret | { readonly kind: 'taken' }>;
  /** When each version was made, seconds since the epoch; undefined where that can't be told. */
  versionDates(secretId: string): Promise<readonly number[] | undefined>;
}

/** The label of a version that is about to become the current one. */
const CLAIM_LABEL = 'oauth-token-refresher-claim';
/** The label of a version that keeps others from its id. */
const FENCE_LABEL = 'oauth-token-refresher-fence';
/** How Secrets Manager refuses a request token of another text, and a label that has moved on. */
const overtaken: readonly string[] = ['ResourceExistsException', 'InvalidParameterException'];

/** A secret has a little over 100 versions at most. */
const MAX_VERSION_PAGES = 3;

/**
 * @param client for reads; its own retries apply
 * @param writer for writes; must try once only, since each further try is decided with the deadline in view
 */
export function createSecrets(client: SecretsManagerClient, writer: SecretsManagerClient): Secrets {
  const get = async (which: GetSecretValueCommandInput): Promise<ReadSecret> => {
    try {
      const output = await client.send(new GetSecretValueCommand(which));
      const { SecretString: text, VersionId: versionId = '', CreatedDate, Name: name, ARN: arn } = output;
      const createdAt = CreatedDate === undefined ? undefined : CreatedDate.getTime() / 1000;
      const isClaim = output.VersionStages?.includes(CLAIM_LABEL) ?? false;
      return { kind: 'found', secret: { text, versionId, createdAt, name, arn, isClaim } };
    } catch (error) {
      const failure = awsFailure(error);
      // A secret that waits for its deletion is answered with InvalidRequestException.
      const awaitingDeletion = failure.code === 'InvalidRequestException';
      const gone = failure.kind === 'not_found' || awaitingDeletion;
      return gone ? { kind: 'missing', awaitingDeletion } : { kind: 'failed', failure };
    }
  };
  return {
    read: async (SecretId, VersionStage = 'AWSCURRENT') => await get({ SecretId, VersionStage }),
    readVersion: async (SecretId, VersionId) => await get({ SecretId, VersionId }),
    relabel: async (SecretId, RemoveFromVersionId, MoveToVersionId) => {
      await moveCurrent(writer, { SecretId, RemoveFromVersionId, MoveToVersionId }).catch(() => undefined);
    },
    put: async (SecretId, SecretString, ClientRequestToken, timeoutMilliseconds) => {
      try {
        const abortSignal = AbortSignal.timeout(timeoutMilliseconds);
        await writer.send(new PutSecretValueCommand({ SecretId, SecretString, ClientRequestToken }), {
          abortSignal,
        });
        return { kind: 'stored' };
      } catch (error) {
        return { kind: 'failed', failure: awsFailure(error) };
      }
    },
    replace: async ({ secretId: SecretId, from, text: SecretString, versionId }, timeoutMilliseconds) => {
      try {
        const abortSignal = AbortSignal.timeout(timeoutMilliseconds);
        const put = {
          SecretId,
          SecretString,
          ClientRequestToken: versionId,
          VersionStages: [CLAIM_LABEL],
        };
        await writer.send(new PutSecretValueCommand(put), { abortSignal });
        const move = { SecretId, RemoveFromVersionId: from, MoveToVersionId: versionId };
        await moveCurrent(writer, move, { abortSignal });
        return { kind: 'stored' };
      } catch (error) {
        const failure = awsFailure(error);
        return overtaken.includes(failure.code) ? { kind: 'overtaken' } : { kind: 'failed', failure };
      }
    },
    fence: async (secretId, text, versionId, timeoutMilliseconds) => {
      try {
        const abortSignal = AbortSignal.timeout(timeoutMilliseconds);
        return { kind: await putFence(writer, { secretId, text, versionId }, { abortSignal }) };
      } catch (error) {
        return { kind: 'failed', failure: awsFailure(error) };
      }
    },
    versionDates: async (SecretId) => {
      const dates: number[] = [];
      const IncludeDeprecated = true;
      let NextToken: string | undefined;
      try {
        for (let page = 0; page < MAX_VERSION_PAGES; page++) {
          const output = await client.send(
            new ListSecretVersionIdsCommand({ SecretId, IncludeDeprecated, MaxResults: 100, NextToken }),
          );
          for (const { CreatedDate } of output.Versions ?? [])
            if (CreatedDate !== undefined) dates.push(CreatedDate.getTime() / 1000);
          // Some say that there is no further page by an empty token.
          NextToken = output.NextToken || undefined;
          if (NextToken === undefined) break;
        }
        return dates;
      } catch {
        return undefined;
      }
    },
  };
}

/** Makes sure that nothing is stored under a version's id any more: see `Secrets.fence`. Rejects with the SDK's error. */
export async function putFence(
  client: SecretsManagerClient,
  { secretId: SecretId, text: SecretString, versionId: ClientRequestToken }: Omit<Replacement, 'from'>,
  options: { abortSignal?: AbortSignal } = {},
): Promise<'stored' | 'taken'> {
  // Nothing can be stored under an id that people wrote into an item.
  if (ClientRequestToken.length < 32 || ClientRequestToken.length > 64) return 'stored';
  try {
    const put = { SecretId, SecretString, ClientRequestToken, VersionStages: [FENCE_LABEL] };
    await client.send(new PutSecretValueCommand(put), options);
    return 'stored';
  } catch (error) {
    if (awsFailure(error).code === 'ResourceExistsException') return 'taken';
    throw error;
  }
}

/** Makes another version of a secret the current one, if the one that was read still is. Rejects with the SDK's error. */
export async function moveCurrent(
  client: SecretsManagerClient,
  versions: Omit<UpdateSecretVersionStageCommandInput, 'VersionStage'>,
  options: { abortSignal?: AbortSignal } = {},
): Promise<void> {
  const move = new UpdateSecretVersionStageCommand({ ...versions, VersionStage: 'AWSCURRENT' });
  await client.send(move, options);
}
