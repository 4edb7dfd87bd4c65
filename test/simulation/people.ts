import { randomUUID } from 'node:crypto';
import {
  DeleteSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  RestoreSecretCommand,
} from '@aws-sdk/client-secrets-manager';
import { DeleteCommand, PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { isFree, readAccount } from '../../adapters/authorization/account-item.ts';
import { AuthorizationError } from '../../adapters/authorization/authorization-error.ts';
import type { Consent } from '../../adapters/authorization/consent.ts';
import { keepGrant } from '../../adapters/authorization/keep-grant.ts';
import { busy } from '../../adapters/authorization/leased-account.ts';
import type { Provider } from '../../adapters/authorization/provider.ts';
import type { Exchange } from '../../adapters/oauth/token-endpoint.ts';
import { removeAccount } from '../../cli/accounts/change.ts';
import { preflight } from '../../cli/authorize/preflight.ts';
import { wantedAccount } from '../../cli/authorize/wanted.ts';
import { profileLookup } from '../../cli/import/fleet-problems.ts';
import type { Candidate } from '../../cli/import/row/row.ts';
import { createAccount } from '../../cli/import/write.ts';
import type { Fleet } from '../../cli/shared/fleet.ts';
import type { Profile } from '../../core/profile/profile.ts';
import { STALE_READS_FOR } from './assumptions.ts';
import { type Clients, clientsOf } from './clients.ts';
import { invoke } from './invocation.ts';
import type { PersonPlan } from './plan.ts';
import type { SimulatedProcess } from './process.ts';
import type { Holder, Issued } from './provider.ts';
import { BEGIN, OTHER_TABLE, PREFIX, type Services, secretOf, short, TABLE, type World } from './world.ts';

/** Somebody at work: the command line, with the clients that it has; and the console, where nothing is checked. */
interface Person {
  readonly world: World;
  readonly accountId: string;
  readonly profile: string;
  readonly process: SimulatedProcess;
  readonly fleet: Fleet;
  readonly console: Clients;
}

/** A person does something. What they are told ends in the timeline; what they did is judged as it takes effect. */
export async function act(world: World, { at: _, does, accountId, ...plan }: PersonPlan): Promise<void> {
  const process = world.process({ ...plan, name: `person ${world.processes.length}` });
  world.holders.set(process, { process, deadline: Number.POSITIVE_INFINITY, ended: false });
  const profile = world.plan.accounts.find((account) => account.accountId === accountId)?.profile ?? '';
  const person: Person = {
    world,
    accountId,
    profile,
    process,
    fleet: fleetOf(process, world.services),
    console: clientsOf(process, byHand(world)),
  };
  world.tell(process.name, `begins: ${does}, ${accountId}`);
  try {
    await actions[does](person);
  } catch (error) {
    const { name, code = name } = error as { name: string; code?: string };
    world.tell(process.name, `is told: ${code}`);
  }
}

const actions: Readonly<Record<PersonPlan['does'], (person: Person) => Promise<void>>> = {
  authorize: authorizeAndAgain,
  'import again': importAgain,
  remove: async (person) => void (await remove(person)),
  'remove and import again': removeAndImportAgain,
  'put the set before back': putBack,
  'write the set anew': writeAnew,
  'copy the item': copyItem,
  'restore the table': restoreTable,
  'another deployment': otherDeployment,
};

function fleetOf(process: SimulatedProcess, services: Services): Fleet {
  const { table, secrets } = clientsOf(process, services);
  // Of a local system nobody asks the function's settings.
  const names = {
    kind: 'local',
    chosenBy: 'an option',
    label: 'the simulation',
    tableName: TABLE,
    secretNamePrefix: PREFIX,
  } as const;
  const unused = { functionName: '', outputs: {}, addresses: { allowHttpLoopback: false }, config: {} };
  const lambda = {} as Fleet['lambda'];
  return { ...names, ...unused, table, secrets, lambda, clock: process.clock };
}

/** The services, which take for a person's what is written. */
function byHand(world: World): Services {
  const marked =
    (service: 'dynamodb' | 'secretsmanager'): Services[typeof service] =>
    (...call) => {
      world.byHand = true;
      try {
        return world.services[service](...call);
      } finally {
        world.byHand = false;
      }
    };
  return { ...world.services, dynamodb: marked('dynamodb'), secretsmanager: marked('secretsmanager') };
}

/** As `authorize` does it. Who is asked to try again does so once. */
async function authorizeAndAgain(person: Person): Promise<void> {
  try {
    await authorize(person);
  } catch (error) {
    if (!(error instanceof AuthorizationError && error.more.next?.startsWith('try_again'))) throw error;
    person.world.tell(person.process.name, `is told: ${error.code}, and tries again`);
    await person.process.clock.sleep(61_000);
    await authorize(person);
  }
}

async function authorize(person: Person): Promise<void> {
  const { world, fleet, accountId, profile, process } = person;
  const wishes = { profile };
  const known = await readAccount(fleet, accountId);
  const wanted = await wantedAccount(fleet, accountId, known, wishes);
  if (known !== undefined && !(await isFree(fleet, accountId))) throw busy(accountId);
  const found = await preflight(fleet, wanted);
  // A person signs in.
  await process.clock.sleep(5_000 + process.random.below(60_000));
  const holder: Holder = { process, deadline: Number.POSITIVE_INFINITY, ended: false };
  let issued: Issued | undefined;
  const redeem = () =>
    redeemed(person, () => {
      issued = world.consent(accountId, profile, holder);
      world.waiting.set(accountId, issued.grant);
      return issued;
    });
  const target = { stores: fleet, wanted, wishes, ...found, onWait: () => {} };
  const consent = process.random.chance(0.25) ? await onDevice(redeem) : inBrowser(redeem);
  try {
    await keepGrant(consent, target, providerOf(wanted.profile));
  } catch (error) {
    judgeRefusal(person, error, issued, holder);
    throw error;
  }
  world.tell(process.name, `has connected ${accountId}: ${short(issued?.token)}`);
  if (issued?.keptAt === undefined)
    world.break('lost untold', `${accountId} is not connected, though told so`);
  if (world.waiting.get(accountId) === issued?.grant) world.waiting.delete(accountId);
  void invoke(world, world.process({ name: `shown by ${process.name}` }), { accountIds: [accountId] });
}

function inBrowser(redeem: Consent['redeem']): Consent {
  return { holds: 'code', parameters: {}, redeem };
}

/** The provider has issued the tokens before anybody asks for the account. */
async function onDevice(redeem: Consent['redeem']): Promise<Consent> {
  const exchange = await redeem();
  return { holds: 'tokens', parameters: {}, redeem: async () => exchange };
}

const TOKEN_REQUEST = 30_000;

/** The provider gives tokens for a code. */
async function redeemed({ world, process, profile }: Person, issue: () => Issued): Promise<Exchange> {
  const { lifetime, takes } = world.provider(profile).plan;
  try {
    const issued = await process.call({
      service: 'provider',
      operation: 'redeem at',
      about: profile,
      effect: issue,
      timeout: TOKEN_REQUEST,
      takes: process.random.below(takes),
    });
    issued.heardAt = process.time;
    const tokens = { access_token: issued.access, token_type: 'Bearer', refresh_token: issued.token };
    const body = JSON.stringify({ ...tokens, expires_in: lifetime });
    const response = { status: 200, retryAfter: undefined, body, complete: true };
    return { kind: 'response', response, secrets: [] };
  } catch {
    return { kind: 'no_response', detail: 'The provider did not answer' };
  }
}

/** What keepGrant asks of a provider that says nothing of whose a grant is. */
function providerOf(profile: Profile): Provider {
  const server = { issuer: '' };
  const { client_id } = profile;
  const known = { profile, server, client: { client_id }, knowsIssuer: false, isOpenId: false };
  return known as unknown as Provider;
}

/** Whoever has consented must be told what became of that: kept all the same, or not, so that the provider's is in vain. */
function judgeRefusal(
  { world, accountId }: Person,
  error: unknown,
  issued: Issued | undefined,
  holder: Holder,
): void {
  if (issued?.heardAt === undefined) return;
  const { name, code = name, message } = error as Partial<AuthorizationError>;
  const about = `${short(issued.token)} of ${accountId} (${code})`;
  if (code === 'RECORD_FAILED') {
    if (issued.keptAt === undefined) world.break('lost untold', `${about} is not kept, though told so`);
    return;
  }
  if (message?.includes('was not kept')) holder.knows = true;
  else world.break('lost untold', `${about}: nobody was told that it is not kept`);
}

/** A file that was imported is imported again. */
async function importAgain(person: Person): Promise<void> {
  const { world, accountId, process } = person;
  const exists = () => world.table().item(accountId) !== undefined;
  const before = exists();
  const kind = await importOne(person, (candidate) => candidate);
  world.tell(process.name, `has imported ${accountId}: ${kind}`);
  if (before && kind === 'created' && !process.past.some(({ operation }) => operation === 'Delete'))
    if (world.plan.people.every(({ does }) => !/remove|restore/.test(does)))
      world.break('overwritten', `${accountId} was imported over the one that was there`);
}

async function importOne(
  { world, fleet, accountId, profile }: Person,
  change: (candidate: Candidate) => Candidate,
): Promise<string> {
  const candidate = world.candidates.get(accountId);
  if (candidate === undefined) throw new Error(`${accountId} was never imported`);
  const profiles = profileLookup(fleet);
  await profiles.has(profile);
  const { signal } = new AbortController();
  const how = { turn: async () => {}, kmsKey: undefined, keeper: await profiles.keeper(), signal };
  return (await createAccount(fleet, change(candidate), undefined, how)).kind;
}

async function remove({ world, accountId, process }: Person): Promise<boolean> {
  let ended = false;
  const secretsmanager: Services['secretsmanager'] = (operation, ...call) => {
    // A call that is carried out when its caller has given up is not covered (docs/guarantee.md).
    if (operation === 'DeleteSecret' && ended) world.tamper(accountId, 'its secret is deleted late');
    return world.services.secretsmanager(operation, ...call);
  };
  const fleet = fleetOf(process, { ...world.services, secretsmanager });
  const { result, message } = await removeAccount(fleet, accountId, { recoveryWindow: 30 });
  ended = true;
  world.tell(process.name, `is told: ${result}, ${message}`);
  return result === 'removed';
}

/** And the secret with it: brought back, or deleted for good and made from the file, whatever became of its token. */
async function removeAndImportAgain(person: Person): Promise<void> {
  const { world, accountId, process, console } = person;
  if (!(await remove(person))) return;
  const SecretId = secretOf(accountId);
  const anew = process.random.chance(0.5);
  if (anew)
    await console.secrets.send(new DeleteSecretCommand({ SecretId, ForceDeleteWithoutRecovery: true }));
  await process.clock.sleep(20_000);
  if (!anew) await console.secrets.send(new RestoreSecretCommand({ SecretId }));
  const kind = await importOne(person, (candidate) =>
    anew ? candidate : { ...candidate, tokenText: undefined, refreshToken: undefined },
  );
  world.tell(process.name, `has imported ${accountId}: ${kind}`);
}

async function putBack(person: Person): Promise<void> {
  const { accountId, console } = person;
  const SecretId = secretOf(accountId);
  const before = new GetSecretValueCommand({ SecretId, VersionStage: 'AWSPREVIOUS' });
  const { SecretString } = await console.secrets.send(before);
  await put(person, SecretString ?? '');
}

/** Tokens of a sign-in elsewhere, as docs/deploy.md has them put into the secret. */
async function writeAnew(person: Person): Promise<void> {
  const { world, accountId, profile, process } = person;
  const holder: Holder = { process, deadline: Number.POSITIVE_INFINITY, ended: false };
  const issued = world.consent(accountId, profile, holder);
  issued.heardAt = process.time;
  const { token: refresh_token, access: access_token } = issued;
  const expires_at = Math.floor(process.clock.now() / 1_000) + 3_600;
  holder.knows = true;
  await put(person, JSON.stringify({ access_token, refresh_token, expires_at }));
}

/** Seconds until no run can be at work with an account that was disabled, and until reads show what was written. */
const RUNS_END_AFTER = 300;
const READS_FOLLOW_AFTER = STALE_READS_FOR + 5;

/**
 * Puts a text into the secret and forces a refresh, as docs/runbook.md has it: an account that the function may try is
 * disabled meanwhile.
 */
async function put(person: Person, SecretString: string): Promise<void> {
  const { world, accountId, console, process } = person;
  const isLeftAlone = world.table().item(accountId)?.status === 'reauthorization_required';
  if (!isLeftAlone) {
    await enable(person, false);
    await process.clock.sleep(RUNS_END_AFTER * 1_000);
  }
  const SecretId = secretOf(accountId);
  const ClientRequestToken = randomUUID();
  await console.secrets.send(new PutSecretValueCommand({ SecretId, SecretString, ClientRequestToken }));
  await process.clock.sleep(READS_FOLLOW_AFTER * 1_000);
  if (!isLeftAlone) await enable(person, true);
  const event = { accountIds: [accountId], force: true };
  void invoke(world, world.process({ name: `forced by ${process.name}` }), event);
}

async function enable({ accountId, console }: Person, enabled: boolean): Promise<void> {
  await console.table.send(
    new UpdateCommand({
      TableName: TABLE,
      Key: { accountId },
      UpdateExpression: 'SET enabled = :enabled',
      ConditionExpression: 'attribute_exists(accountId)',
      ExpressionAttributeValues: { ':enabled': enabled },
    }),
  );
}

/** As it is, its lease and all, for another id that names the same secret. */
async function copyItem({ world, accountId, console }: Person): Promise<void> {
  const item = world.table().item(accountId);
  if (item === undefined) return;
  const Item = { ...item, accountId: `${accountId}-copy`, tokenSecretId: secretOf(accountId) };
  await console.table.send(new PutCommand({ TableName: TABLE, Item }));
}

/** Seconds that a copy of the table is old, at most. */
const OLDEST_COPY = 3_600;

/** Item by item, the function's notes among them; what was not there then goes. */
async function restoreTable({ world, process, console }: Person): Promise<void> {
  const table = world.table();
  const at = Math.max(BEGIN, process.time - process.random.below(OLDEST_COPY) * 1_000);
  world.restored = true;
  world.tell(process.name, `puts the table back as it was at ${(at - BEGIN) / 1_000} s`);
  for (const accountId of table.idsEver()) {
    const Item = table.itemAt(accountId, at);
    if (Item !== undefined) await console.table.send(new PutCommand({ TableName: TABLE, Item }));
    else if (table.item(accountId) !== undefined)
      await console.table.send(new DeleteCommand({ TableName: TABLE, Key: { accountId } }));
  }
}

async function otherDeployment({ world, accountId, profile, console }: Person): Promise<void> {
  const Item = { accountId, authenticationType: 'oauth2', oauthProfile: profile };
  if (world.table(OTHER_TABLE).item(accountId) === undefined)
    await console.table.send(new PutCommand({ TableName: OTHER_TABLE, Item }));
  invokeOther(world, `other deployment ${world.processes.length}`);
}

/** The function of another stack, which has its own table over the same secrets. */
export function invokeOther(world: World, name: string): void {
  const process = world.process({ name });
  world.others.add(process);
  void invoke(world, process, {}, OTHER_TABLE);
}
