import { STALE_READS_FOR } from './assumptions.ts';
import { type SimulatedProcess, serviceError } from './process.ts';

const ACCOUNT = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:';
/** "A secret can have up to 100 versions"; none that is younger than a day is removed. */
const VERSIONS = 100;
const DAY = 86_400_000;
const CURRENT = 'AWSCURRENT';
const PREVIOUS = 'AWSPREVIOUS';

interface Version {
  readonly id: string;
  readonly text: string;
  readonly createdAt: number;
}

/** Which version carries each label. */
type Labels = Readonly<Record<string, string>>;

interface Secret {
  readonly name: string;
  readonly arn: string;
  readonly versions: Map<string, Version>;
  /** Labels since when; `undefined`: it waits for its deletion. */
  readonly states: { readonly at: number; readonly labels: Labels; readonly deleted: boolean }[];
  /** When other versions were made, before the history begins. */
  readonly earlier: readonly number[];
}

interface Input {
  readonly SecretId?: string;
  readonly Name?: string;
  readonly SecretString?: string;
  readonly ClientRequestToken?: string;
  readonly VersionStages?: readonly string[];
  readonly VersionStage?: string;
  readonly VersionId?: string;
  readonly MoveToVersionId?: string;
  readonly RemoveFromVersionId?: string;
  readonly ForceDeleteWithoutRecovery?: boolean;
}

/**
 * Secrets Manager: eventually consistent for whoever reads ("Secrets Manager uses an eventual consistency model"), each
 * read for itself; labels, of which each is on one version; request tokens that make a version once.
 *
 * @see https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
 * @see https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html
 * @see https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
 */
export class SimulatedSecrets {
  readonly #secrets = new Map<string, Secret>();
  #made = 0;
  readonly #onCurrent: (name: string, text: string, before: string | undefined) => void;

  /** @param onCurrent is told of each version as it becomes the current one */
  constructor(onCurrent: (name: string, text: string, before: string | undefined) => void) {
    this.#onCurrent = onCurrent;
  }

  /** What everybody will read once reads have caught up; undefined where there is none. */
  current(name: string): string | undefined {
    const secret = this.#secrets.get(name);
    const state = secret?.states.at(-1);
    if (secret === undefined || state === undefined || state.deleted) return undefined;
    return secret.versions.get(state.labels[CURRENT] ?? '')?.text;
  }

  names(): readonly string[] {
    return [...this.#secrets.keys()];
  }

  /** @param earlier when other versions of it were made */
  create(name: string, text: string, id: string, at: number, earlier: readonly number[] = []): void {
    const versions = new Map([[id, { id, text, createdAt: at }]]);
    // A secret that is made anew has another ARN than the one before it.
    const arn = `${ACCOUNT}${name}-AbCd${10 + this.#made++}`;
    const states = [{ at, labels: { [CURRENT]: id }, deleted: false }];
    this.#secrets.set(name, { name, arn, versions, states, earlier });
    this.#onCurrent(name, text, undefined);
  }

  carryOut(operation: string, input: Input, caller: SimulatedProcess): object {
    const { time } = caller;
    if (operation === 'CreateSecret') return this.#create(input, time);
    const secret = this.#find(input.SecretId ?? '');
    if (operation === 'RestoreSecret') return this.#move(secret, time, secret.states.at(-1)?.labels, false);
    if (operation === 'DeleteSecret' && input.ForceDeleteWithoutRecovery) {
      this.#secrets.delete(secret.name);
      return {};
    }
    if (operation === 'DeleteSecret') return this.#move(secret, time, secret.states.at(-1)?.labels, true);
    const state = this.#stateFor(operation, secret, caller);
    if (state === undefined) throw notFound();
    const { labels, deleted, seenAt } = state;
    if (operation === 'DescribeSecret') return described(secret, state);
    if (deleted) throw serviceError('InvalidRequestException', 400);
    if (operation === 'GetSecretValue') {
      const id = input.VersionId ?? labels[input.VersionStage ?? CURRENT];
      const version = secret.versions.get(id ?? '');
      if (version === undefined || version.createdAt > seenAt) throw notFound();
      return {
        Name: secret.name,
        ARN: secret.arn,
        SecretString: version.text,
        VersionId: version.id,
        CreatedDate: new Date(version.createdAt),
        VersionStages: Object.keys(labels).filter((label) => labels[label] === version.id),
      };
    }
    if (operation === 'ListSecretVersionIds') {
      const seen = [...secret.versions.values()].filter(({ createdAt }) => createdAt <= seenAt);
      const dates = [...secret.earlier, ...seen.map(({ createdAt }) => createdAt)];
      return { Versions: dates.map((at) => ({ CreatedDate: new Date(at) })) };
    }
    if (operation === 'PutSecretValue') return this.#put(secret, labels, input, time);
    if (operation === 'UpdateSecretVersionStage') return this.#relabel(secret, labels, input, time);
    throw new Error(`Secrets Manager is not simulated so far: ${operation}`);
  }

  #find(id: string): Secret {
    const name = id.startsWith(ACCOUNT) ? id.slice(ACCOUNT.length).replace(/-AbCd\d\d$/, '') : id;
    const secret = this.#secrets.get(name);
    if (secret === undefined) throw notFound();
    return secret;
  }

  /** A write sees what is so; a read may see what was. */
  #stateFor(operation: string, { states }: Secret, { time, random, plan }: SimulatedProcess) {
    const reads = !operation.startsWith('Put') && !operation.startsWith('Update');
    const lag = reads && random.chance(plan.lagging ?? 0) ? random.below(STALE_READS_FOR * 1_000) : 0;
    const seenAt = time - lag;
    const state = states.findLast(({ at }) => at <= seenAt);
    return state && { ...state, seenAt };
  }

  #create({ Name = '', SecretString = '', ClientRequestToken = '' }: Input, at: number): object {
    const known = this.#secrets.get(Name);
    if (known === undefined) {
      this.create(Name, SecretString, ClientRequestToken, at);
      return {};
    }
    if (known.states.at(-1)?.deleted) throw serviceError('InvalidRequestException', 400);
    const version = known.versions.get(ClientRequestToken);
    if (version?.text !== SecretString) throw serviceError('ResourceExistsException', 400);
    return {};
  }

  #put(secret: Secret, labels: Labels, input: Input, at: number): object {
    const { SecretString: text = '', ClientRequestToken: id = '', VersionStages = [CURRENT] } = input;
    const known = secret.versions.get(id);
    if (known !== undefined) {
      if (known.text !== text) throw serviceError('ResourceExistsException', 400);
      return {};
    }
    const young = secret.earlier.filter((made) => at - made < DAY).length;
    if (secret.versions.size + young >= VERSIONS) throw serviceError('LimitExceededException', 400);
    secret.versions.set(id, { id, text, createdAt: at });
    const next = { ...labels };
    for (const label of VersionStages) next[label] = id;
    if (VersionStages.includes(CURRENT) && labels[CURRENT] !== undefined) next[PREVIOUS] = labels[CURRENT];
    return this.#move(secret, at, next, false);
  }

  #relabel(secret: Secret, labels: Labels, input: Input, at: number): object {
    const { VersionStage: label = '', MoveToVersionId: to, RemoveFromVersionId: from } = input;
    if (labels[label] !== undefined && labels[label] !== to && labels[label] !== from)
      throw serviceError('InvalidParameterException', 400);
    if (to !== undefined && !secret.versions.has(to)) throw notFound();
    const { [label]: before, ...rest } = labels;
    const moved: Labels = to === undefined ? rest : { ...rest, [label]: to };
    const isNew = label === CURRENT && before !== undefined && before !== to;
    return this.#move(secret, at, isNew ? { ...moved, [PREVIOUS]: before } : moved, false);
  }

  #move(secret: Secret, at: number, labels: Labels = {}, deleted: boolean): object {
    const before = secret.states.at(-1)?.labels[CURRENT];
    secret.states.push({ at, labels, deleted });
    const now = labels[CURRENT];
    const version = secret.versions.get(now ?? '');
    if (now !== before && version !== undefined)
      this.#onCurrent(secret.name, version.text, secret.versions.get(before ?? '')?.text);
    return {};
  }
}

function described({ name, arn }: Secret, { labels, deleted }: { labels: Labels; deleted: boolean }): object {
  const stages: Record<string, string[]> = {};
  for (const [label, id] of Object.entries(labels)) stages[id] = [...(stages[id] ?? []), label];
  return {
    Name: name,
    ARN: arn,
    VersionIdsToStages: stages,
    ...(deleted && { DeletedDate: new Date(0) }),
  };
}

function notFound(): Error {
  return serviceError('ResourceNotFoundException', 400);
}
