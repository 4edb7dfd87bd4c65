import { type EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import type { AccountEventType } from '../../core/account/outcome.ts';
import type { ProfileEventType } from '../../core/account/profile-note.ts';
import type { Reason } from '../../core/reason.ts';

/** The `source` of every event that the function puts on the bus. */
export const EVENT_SOURCE = 'oauth-token-refresher';

export interface AccountEvent {
  readonly type: AccountEventType;
  readonly detail: {
    readonly accountId: string;
    readonly name: string;
    readonly oauthProfile: string;
    readonly reason: Reason;
    /** Seconds since the epoch. */
    readonly at: number;
  };
}

export interface ProfileEvent {
  readonly type: ProfileEventType;
  readonly detail: {
    readonly oauthProfile: string;
    readonly reason: Reason;
    /** Due accounts that could not be refreshed for it, as far as is known. */
    readonly accounts: number;
    /** Seconds since the epoch. */
    readonly at: number;
  };
}

/** Puts one event on the bus. Rejects if the bus did not take it. */
export interface Events {
  put(event: AccountEvent): Promise<void>;
  putOfProfile(event: ProfileEvent): Promise<void>;
}

/** @param runId stands in the detail of every event */
export function createEvents(client: EventBridgeClient, EventBusName: string, runId: string): Events {
  const put = async ({ type, detail }: AccountEvent | ProfileEvent) => {
    const Detail = JSON.stringify({ ...detail, runId });
    const output = await client.send(
      new PutEventsCommand({ Entries: [{ EventBusName, Source: EVENT_SOURCE, DetailType: type, Detail }] }),
    );
    // PutEvents returns 200 even where an entry was refused.
    const code = output.Entries?.[0]?.ErrorCode;
    if (code !== undefined)
      throw Object.assign(new Error(`the bus refused the event: ${code}`), {
        name: code,
        $metadata: { ...output.$metadata, httpStatusCode: 400 },
      });
  };
  return { put, putOfProfile: put };
}
