import { nextObtainedAt } from '../../core/account/decision.ts';
import {
  type GrantedTokens,
  mergeTokenSet,
  parseTokenSet,
  serializeTokenSet,
  type TokenSet,
} from '../../core/tokens/token-set.ts';
import { type AwsFailure, awsFailure, isHopeless } from '../aws/aws-error.ts';
import { createSecret, findSecret, replaceVersion, restoreSecret } from '../aws/secret-versions.ts';
import { putFence } from '../aws/secrets.ts';
import { AuthorizationError } from './authorization-error.ts';
import { foreignKeeper, keptByOf } from './keeper.ts';
import { keptElsewhere, type LeasedAccount, type Target } from './leased-account.ts';

/**
 * The token set of a new grant. Nothing of an earlier one goes into it: it may be another client's or another person's.
 * Its `obtained_at` is after that of all that was known before, so that no later read can take the old for the newer.
 *
 * @param now seconds since the epoch
 */
export function newTokenSet(
  tokens: GrantedTokens,
  { account: { lastRefreshedAt }, current, secret: { keptFor: kept_for } }: LeasedAccount,
  { keeper, wanted }: Pick<Target, 'keeper' | 'wanted'>,
  now: number,
): TokenSet & { readonly obtained_at: number } {
  const before = parseTokenSet(current?.text);
  const obtained_at = nextObtainedAt(
    now,
    {
      tokenSet: before.kind === 'token_set' ? before.tokenSet : {},
      version: { versionId: current?.versionId ?? '', createdAt: current?.createdAt },
    },
    lastRefreshedAt,
  );
  const kept_by = keptByOf(keeper, current?.arn ?? wanted.profileArn);
  return {
    ...mergeTokenSet({}, tokens, obtained_at),
    obtained_at,
    ...(kept_by !== undefined && { kept_by }),
    ...(kept_for !== undefined && { kept_for }),
  };
}

const PAUSE = 1_000;

/**
 * Makes the token set the secret's current version, in place of the version that was judged; where that was not the
 * current one any more, the one that is there now is judged first.
 *
 * @param deadline milliseconds since the epoch
 * @throws AuthorizationError STORE_FAILED, or KEPT_ELSEWHERE; the new grant is not kept then
 */
export async function storeGrant(
  { stores, keeper }: Pick<Target, 'stores' | 'keeper'>,
  leased: LeasedAccount,
  tokenSet: TokenSet,
  deadline: number,
): Promise<void> {
  const { secrets, clock } = stores;
  const { id: secretId } = leased.secret;
  const version = { secretId, text: serializeTokenSet(tokenSet), versionId: leased.owner };
  let current = leased.current;
  let missing = current === undefined;
  let wasPut = false;
  // A store of theirs that was given up may still land, over this one.
  const { lease, escrow } = leased.account;
  const earlier = new Set([lease?.owner, escrow?.attemptId].filter((id) => id !== undefined));
  for (let patience = true; patience; patience = clock.now() + PAUSE <= deadline) {
    try {
      if (missing) {
        const made = await createSecret(secrets, version);
        // A version that was put before makes this a repetition, which creates nothing.
        if (made === 'created' && !wasPut) return;
        if (made === 'deleted') await restoreSecret(secrets, secretId);
        missing = false;
      }
      const found = current === undefined ? await findSecret(secrets, secretId) : undefined;
      if (found?.kind === 'found') current = found;
      else if (found !== undefined) missing = true;
      if (current !== undefined) {
        if (current.versionId === leased.owner) return;
        const keptBy = foreignKeeper(current.text, current.arn, keeper);
        if (keptBy !== undefined) throw notKept(keptElsewhere(secretId, keptBy));
        for (const versionId of earlier) {
          if (versionId !== current.versionId)
            await putFence(secrets, { secretId, text: current.text ?? '', versionId });
          earlier.delete(versionId);
        }
        wasPut = true;
        const done = await replaceVersion(secrets, { ...version, from: current.versionId });
        if (done === 'replaced') return;
      }
    } catch (error) {
      if (error instanceof AuthorizationError) throw error;
      const failure = awsFailure(error);
      // Whoever makes or deletes it just now will be done in a moment.
      const passing = failure.kind === 'not_found' || failure.code === 'InvalidRequestException';
      if (isHopeless(failure) && !passing) throw storeFailed(secretId, failure);
      missing = failure.kind === 'not_found';
      if (clock.now() + PAUSE > deadline) throw storeFailed(secretId, failure);
    }
    current = undefined;
    await clock.sleep(PAUSE);
  }
  throw storeFailed(secretId, { kind: 'unavailable', code: 'it changes all the time' });
}

function storeFailed(secretId: string, { kind, code }: AwsFailure): AuthorizationError {
  const what = `The token secret ${secretId} could not be written (${code}), so the provider's new grant was not kept. Nothing has changed here.`;
  return kind === 'denied'
    ? new AuthorizationError(
        'STORE_FAILED',
        `${what} It takes secretsmanager:GetSecretValue, PutSecretValue and CreateSecret on it.`,
      )
    : new AuthorizationError('STORE_FAILED', what, { next: 'try_again' });
}

/** The provider has issued tokens that are not kept. */
export function notKept({ code, what, more }: AuthorizationError): AuthorizationError {
  const also = "The provider's new grant was not kept. The provider still has it, and nobody uses it.";
  return new AuthorizationError(code, what, { ...more, also });
}
