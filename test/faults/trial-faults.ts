import type { FaultCall, FaultRule } from '../../local/aws/server.ts';
import type { ProviderFault, TokenRequest } from '../support/strict-provider.ts';
import type { ProtocolCall, Setting, Trial } from './trial.ts';

export const outage = {
  kind: 'error',
  status: 500,
  type: 'InternalServiceError',
  message: 'out of order',
} as const;
const STORE_FAILS_FOR = 3_000;
const THROTTLED_CALLS = 3;
/** Where the second token request of the run is another step than the first; elsewhere it is the same, repeated. */
const asksTwice: readonly Setting[] = ['answer_lost', 'false_candidate'];

/**
 * The faults of the run that goes wrong.
 *
 * @param granting how the provider grants where nothing else goes wrong
 */
export function createFaults(
  { setting, call, fault }: Trial,
  granting: ProviderFault | undefined,
  kill: () => void,
) {
  let failsUntil: number | undefined;
  const asked = new Set<ProtocolCall>();
  let seen = 0;
  const atAws: FaultRule = (request) => {
    const which = callOf(request, setting, asked);
    if (which !== undefined) asked.add(which);
    if (which === 'store') failsUntil ??= Date.now() + STORE_FAILS_FOR;
    const failing =
      setting === 'store_refuses' || (setting === 'store_fails' && Date.now() < (failsUntil ?? 0));
    if (which !== call) return failing && which === 'store' ? outage : undefined;
    seen++;
    switch (fault) {
      case 'fails':
        return { kind: 'fail_before' };
      case 'answer lost':
        return { kind: 'drop_answer' };
      case 'throttled':
        return seen <= THROTTLED_CALLS ? { kind: 'throttle' } : undefined;
      case 'hangs':
        return { kind: 'hang' };
      case 'killed before':
        kill();
        return { kind: 'hang' };
      case 'killed after':
        kill();
        return { kind: 'drop_answer' };
    }
  };
  const atProvider = ({ endpoint }: TokenRequest): ProviderFault | undefined => {
    const first = !asked.has('exchange');
    const exchange = asksTwice.includes(setting) && !first ? 'exchange again' : 'exchange';
    const which = endpoint === 'metadata' ? 'discover' : exchange;
    asked.add(which);
    if (which !== call) return setting === 'answer_lost' && first ? { kind: 'drop_answer' } : granting;
    seen++;
    switch (fault) {
      case 'fails':
        return { kind: 'drop_request' };
      case 'answer lost':
        return { kind: 'drop_answer' };
      case 'throttled':
        return { kind: 'answer', status: 429, headers: { 'retry-after': '30' } };
      case 'hangs':
        return { kind: 'hang_after' };
      case 'killed before':
        kill();
        return { kind: 'hang_before' };
      case 'killed after':
        kill();
        return { kind: 'hang_after' };
    }
  };
  return { atAws, atProvider, happened: () => seen > 0 };
}

interface Input {
  readonly SecretId?: string;
  readonly VersionStage?: string;
  readonly VersionStages?: readonly string[];
  readonly UpdateExpression?: string;
  readonly ExpressionAttributeValues?: Readonly<Record<string, { M?: Record<string, { S?: string }> }>>;
  readonly Key?: { readonly accountId?: { readonly S?: string } };
  readonly Entries?: readonly { readonly DetailType?: string }[];
}

/** Tells the calls to AWS apart by what they ask for, and by what was asked for before. */
function callOf(
  { operation, input }: FaultCall,
  setting: Setting,
  asked: ReadonlySet<ProtocolCall>,
): ProtocolCall | undefined {
  const { SecretId = '', VersionStage, VersionStages, Key, Entries, ...update } = input as Input;
  const key = Key?.accountId?.S ?? '';
  const goesHome = setting === 'in_escrow';
  switch (operation) {
    case 'Scan':
      return 'scan';
    case 'GetItem':
      if (key.startsWith('#profile:')) return 'read note';
      return key.startsWith('#secret:') ? 'read secret note' : 'get';
    case 'GetSecretValue':
      if (!SecretId.includes('/profiles/')) return asked.has('exchange') ? 're-read again' : 're-read';
      if (VersionStage === 'AWSPREVIOUS') return 'read previous profile';
      return asked.has('exchange') ? 'read profile again' : 'read profile';
    case 'ListSecretVersionIds':
      return 'list versions';
    case 'PutSecretValue':
      if (VersionStages === undefined) return 'store';
      return goesHome ? 'put home' : 'put claim';
    case 'UpdateSecretVersionStage':
      return goesHome ? 'move home' : 'move claim';
    case 'GenerateDataKey':
      return 'data key';
    case 'Decrypt':
      return 'open escrow';
    case 'PutEvents':
      return Entries?.[0]?.DetailType?.startsWith('OAuth Profile') ? 'tell of profile' : 'tell';
    case 'UpdateItem':
      return updateOf(key, update);
    default:
      return undefined;
  }
}

function updateOf(
  key: string,
  { UpdateExpression = '', ExpressionAttributeValues }: Omit<Input, 'Key'>,
): ProtocolCall {
  if (key.startsWith('#profile:')) return 'write note';
  if (key.startsWith('#secret:'))
    return UpdateExpression.includes('REMOVE #lease') ? 'release secret' : 'claim secret';
  switch (UpdateExpression) {
    case 'SET #lease = :lease':
      return 'lease';
    case 'SET #secretLentTo = :secretLentTo':
      return 'lend secret';
    case 'SET #escrow = :escrow': {
      const kind = ExpressionAttributeValues?.[':escrow']?.M?.kind?.S;
      const calls = { candidate: 'put candidate', answer: 'put answer' } as const;
      return calls[kind as keyof typeof calls] ?? 'put escrow';
    }
    default:
      return 'record';
  }
}
