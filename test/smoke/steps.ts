import { DeleteResourcePolicyCommand, PutResourcePolicyCommand } from '@aws-sdk/client-secrets-manager';
import { NotSeen, type Trial } from './trial.ts';

export interface Step {
  readonly says: string;
  /** An emulator of AWS has nothing that could show it. */
  readonly onlyOnAws?: boolean;
  /** The steps after it make no sense if it fails. */
  readonly isNeeded?: boolean;
  /** @returns what was seen. @throws NotSeen */
  run(trial: Trial): Promise<string>;
}

/** What a trial shows, in this order. */
export const STEPS: readonly Step[] = [
  {
    says: 'A refresh token is exchanged, and its successor is stored',
    isNeeded: true,
    run: async (trial) => {
      const { action, reason } = await trial.refresh(trial.account);
      demand(action === 'refresh', `the function reports ${action}, ${reason}`);
      return await stored(trial);
    },
  },
  {
    says: 'The successor is exchanged, too: nothing is spent twice',
    isNeeded: true,
    run: async (trial) => {
      const { action, reason } = await trial.refresh(trial.account);
      demand(action === 'refresh', `the function reports ${action}, ${reason}`);
      return await stored(trial);
    },
  },
  {
    says: "If the secret can't be written, the new refresh token goes into escrow",
    isNeeded: true,
    run: async (trial) => {
      const { account, fleet, eventually, item } = trial;
      await fleet.secrets.send(
        new PutResourcePolicyCommand({ SecretId: trial.secretId(account), ResourcePolicy: DENY_WRITING }),
      );
      const { grants: before = 0 } = await trial.grant(account);
      // It takes seconds until a new policy is in force everywhere.
      const reason = await eventually('escrow', 180, async () => {
        const report = await trial.refresh(account);
        return (await item(account)).escrow === undefined ? undefined : report.reason;
      });
      demand(reason === 'permission_missing', `the function reports ${reason}`);
      demand(!(await trial.holdsLiveToken(account)), 'the secret was written all the same');
      const { grants = 0, revoked } = await trial.grant(account);
      demand(grants > before && revoked !== true, 'the provider ended the grant');
      return `${reason}, in escrow`;
    },
  },
  {
    says: 'The event bus says that the account is failing',
    run: async ({ account, told }) => {
      const event = await told('the event', 60, isEvent('OAuth Account Failing', account));
      return `${event['detail-type']}, ${event.detail?.reason}`;
    },
  },
  {
    says: 'The alarm about escrow reaches the topic',
    onlyOnAws: true,
    run: async ({ told }) => {
      const { AlarmName = '', NewStateValue } = await told(
        'the alarm',
        900,
        (message) =>
          message.AlarmName?.endsWith('-EscrowInUse') === true && message.NewStateValue === 'ALARM',
      );
      return `${AlarmName}: ${NewStateValue}`;
    },
  },
  {
    says: 'If the secret can be written again, the refresh token comes home',
    isNeeded: true,
    run: async (trial) => {
      const { account, fleet, eventually, item } = trial;
      await fleet.secrets.send(new DeleteResourcePolicyCommand({ SecretId: trial.secretId(account) }));
      await eventually('an empty escrow', 300, async () => {
        await trial.refresh(account);
        return (await item(account)).escrow === undefined ? true : undefined;
      });
      return await stored(trial);
    },
  },
  {
    says: 'The event bus says that the account has recovered',
    run: async ({ account, told }) => {
      const event = await told('the event', 60, isEvent('OAuth Account Recovered', account));
      return String(event['detail-type']);
    },
  },
  {
    says: 'The schedule refreshes an account that nobody asks for',
    onlyOnAws: true,
    run: async (trial) => {
      await trial.eventually('a scheduled refresh', 300, async () =>
        (await trial.item(trial.scheduled)).lastRefreshedAt === undefined ? undefined : true,
      );
      return await stored(trial, trial.scheduled);
    },
  },
];

/** For everybody, so that it doesn't matter whose the role is. An explicit "Deny" wins. */
const DENY_WRITING = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Deny', Principal: '*', Action: 'secretsmanager:PutSecretValue', Resource: '*' }],
});

async function stored(trial: Trial, accountId = trial.account): Promise<string> {
  const { grants = 0, revoked } = await trial.grant(accountId);
  demand(revoked !== true, 'the provider ended the grant: a refresh token was used twice');
  demand(grants > 0, 'the provider was not asked');
  demand(await trial.holdsLiveToken(accountId), 'the secret does not hold the refresh token that is good');
  return `exchanged ${grants} times, the good one is stored`;
}

const isEvent =
  (type: string, accountId: string): Parameters<Trial['told']>[2] =>
  (message) =>
    message['detail-type'] === type && message.detail?.accountId === accountId;

function demand(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new NotSeen(otherwise);
}
