import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import type { LocalAws } from '../../local/aws/server.ts';
import type { StrictProvider } from '../support/strict-provider.ts';
import type { World } from '../support/world.ts';
import { ACCOUNT, type FaultKind, type ProtocolCall, type Setting, type Trial } from './trial.ts';

export interface Verdict {
  /** `dead`: the grant was revoked by the provider before the trial, and the account says so. */
  readonly end: 'kept' | 'lost' | 'dead' | 'unexplained';
  /** A refresh token was presented again although its answer had reached a process that lived on. */
  readonly spentTwice: boolean;
  /** What can't be explained, for people. */
  readonly why?: string;
}

/** Why a grant can't be kept, though everything else is as promised. */
export const LOSSES = {
  unheard: 'the provider rotated, and nobody heard its answer',
  died: 'the process died before its next call with what it had heard',
  nowhere: 'every place in which it could have been kept was out of order until the end of the process',
  unreadable: 'nobody can read a refresh token in what the provider answered',
} as const;

const unheard: readonly FaultKind[] = ['answer lost', 'hangs', 'killed after'];
/** How a write to DynamoDB, or a call to KMS, never gets done. */
const neverDone: readonly FaultKind[] = ['fails', 'hangs'];
const nothingElse: Partial<Record<Setting, readonly ProtocolCall[]>> = {
  store_refuses: ['put escrow'],
  odd_answer: ['put candidate'],
};

/** Why a grant may be lost here; undefined: it may not. Only where a provider rotates strictly. */
export function mayLose({ rotation, setting, call, fault }: Trial): keyof typeof LOSSES | undefined {
  if (rotation !== 'strict') return undefined;
  if (setting === 'answer_lost') return 'unheard';
  if (setting === 'unreadable') return 'unreadable';
  const spends = call === (setting === 'false_candidate' ? 'exchange again' : 'exchange');
  if (spends && unheard.includes(fault)) return 'unheard';
  const keeps = call === 'store' || call === 'put escrow' || call === 'put candidate';
  if (keeps && fault === 'killed before') return 'died';
  if (nothingElse[setting]?.includes(call) && neverDone.includes(fault)) return 'nowhere';
  // Without the run's data key there is no escrow.
  const noKey = call === 'data key' && [...neverDone, 'answer lost'].includes(fault);
  return noKey && nothingElse[setting] !== undefined ? 'nowhere' : undefined;
}

/** Whether nothing is left to heal. */
export async function isSettled(world: World): Promise<boolean> {
  const item = await world.item(ACCOUNT);
  return isCalm(item) || (item.status === 'reauthorization_required' && item.lease === undefined);
}

function isCalm({ status, failure, lease, escrow }: Record<string, unknown>): boolean {
  return status === 'healthy' && failure === undefined && lease === undefined && escrow === undefined;
}

/** Compares what the provider holds with what is stored, and with what was told. */
export async function judge(
  trial: Trial,
  secretId: string,
  world: World,
  aws: LocalAws,
  provider: StrictProvider,
): Promise<Verdict> {
  const truth = provider.truth(ACCOUNT);
  const item = await world.item(ACCOUNT);
  const secret = await world.clients.secrets.send(new GetSecretValueCommand({ SecretId: secretId }));
  const { refresh_token, kept_by } = JSON.parse(secret.SecretString ?? '{}');
  const secretNote = await world.item(`#secret:${secret.ARN}`);
  const profileNote = await world.item('#profile:crm');
  const told = (type: string) => aws.putEventsLog().filter(({ detailType }) => detailType === type).length;
  const events = told('OAuth Reauthorization Required');
  const ofProfile = [told('OAuth Profile Failing'), told('OAuth Profile Recovered')] as const;
  const failure = item.failure as { reason?: string } | undefined;
  const spentTwice = truth.reuses > 0 && mayLose(trial) === undefined;
  const seen = {
    status: item.status,
    failure,
    lease: item.lease,
    escrow: (item.escrow as { kind?: string } | undefined)?.kind,
    events,
    ofProfile,
    profileNote,
    secretNote,
    truth,
  };
  const unexplained = (what: string): Verdict => ({
    end: 'unexplained',
    spentTwice,
    why: `${what}: ${JSON.stringify(seen)}`,
  });
  const needsPerson = item.status === 'reauthorization_required';
  if (trial.setting === 'revoked') {
    // Told once; a second time only where the answer to the first was lost, or the process died behind it.
    const repeated = trial.call === 'tell' || (trial.call === 'record' && trial.fault !== 'throttled');
    const once = events === 1 || (repeated && events > 1);
    if (needsPerson && failure?.reason === 'grant_revoked' && once) return { end: 'dead', spentTwice };
    return unexplained('a dead grant is not told');
  }
  if (!provider.accepts(ACCOUNT, refresh_token)) {
    const said = needsPerson && failure?.reason === 'grant_possibly_lost' && events === 1;
    if (mayLose(trial) === undefined) return unexplained('lost');
    return said ? { end: 'lost', spentTwice } : unexplained('a loss is not told');
  }
  if (!isCalm(item)) return unexplained('kept, and not calm');
  if (kept_by !== world.keeper) return unexplained('not claimed');
  if (secretNote.lease !== undefined) return unexplained("the lease of the secret's note was not given back");
  if (profileNote.failure !== undefined) return unexplained("the profile's trouble has not ended");
  const [failing, recovered] = ofProfile;
  // It is told again where the process died before it had written down that it had told.
  const repeatable =
    ['tell of profile', 'write note'].includes(trial.call) || trial.fault.startsWith('killed');
  const asOne = failing === recovered && failing <= 1;
  if (!asOne && !(repeatable && failing > 0 && recovered > 0))
    return unexplained("the profile's trouble and its end are not told once");
  return { end: 'kept', spentTwice };
}
