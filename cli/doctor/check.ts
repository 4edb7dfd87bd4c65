import type { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import type { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import type { KMSClient } from '@aws-sdk/client-kms';
import type { FunctionConfiguration } from '@aws-sdk/client-lambda';
import type { SQSClient } from '@aws-sdk/client-sqs';
import { awsFailure } from '../../adapters/aws/aws-error.ts';
import type { SendHttpsRequest } from '../../adapters/oauth/https-request.ts';
import type { FailingProfile } from '../../terminal/fleet-notes.ts';
import type { Fleet } from '../shared/fleet.ts';

export type Finding =
  | { readonly kind: 'good'; readonly text: string }
  /** `attention`: it works, but somebody should do something. `broken`: it does not work. */
  | { readonly kind: 'attention' | 'broken'; readonly text: string; readonly todo: string }
  | { readonly kind: 'unknown'; readonly text: string; readonly todo: string }
  | { readonly kind: 'not_applicable'; readonly text: string };

/** One thing that must be right for the fleet to be well. */
export interface Check {
  readonly title: string;
  readonly needs: string;
  /** If it rejects with the SDK's error, the check counts as one that could not be made. */
  readonly run: (patient: Patient) => Promise<Finding | readonly Finding[]>;
}

/** The fleet to examine, and the clients for it. Nothing here writes. */
export interface Patient {
  readonly fleet: Fleet;
  readonly kms: KMSClient;
  readonly rules: EventBridgeClient;
  readonly logs: CloudWatchLogsClient;
  readonly queues: SQSClient;
  readonly send: SendHttpsRequest;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** The function's configuration, read once; undefined locally. */
  readonly configuration: () => Promise<FunctionConfiguration | undefined>;
  /** What a scan of all accounts counts, done once. */
  readonly census: () => Promise<Census>;
}

export interface Census {
  readonly accounts: number;
  readonly needPerson: number;
  readonly failing: number;
  readonly inEscrow: number;
  /** Ids of accounts with a response in escrow that waits for a person, the first few. */
  readonly answers: readonly string[];
  /** Ids of items that the function can't read, the first few. */
  readonly unreadable: readonly string[];
  /** Those that are failing, by the function's notes. */
  readonly failingProfiles: readonly FailingProfile[];
  /** Those whose current version is refused while the one before works. */
  readonly atRisk: readonly string[];
  /** Events that are written down and not yet on the bus. */
  readonly eventsOwed: number;
  /** What people have paused: `everything`, then profiles. */
  readonly paused: readonly string[];
  /** How many accounts name each profile. */
  readonly profiles: ReadonlyMap<string, number>;
}

export type Told = Finding & { readonly title: string };

/** Makes one check. If it can't be made, that is a finding, too. */
export async function examine({ title, needs, run }: Check, patient: Patient): Promise<readonly Told[]> {
  try {
    const found = await run(patient);
    const findings: readonly Finding[] = Array.isArray(found) ? found : [found as Finding];
    return findings.map((finding) => ({ title, ...finding }));
  } catch (error) {
    const { kind, code } = awsFailure(error);
    const todo =
      kind === 'denied'
        ? `Ask for ${needs}, then run doctor again.`
        : 'Look at the network and the Region, then run doctor again.';
    return [{ title, kind: 'unknown', text: `could not be checked: ${code}`, todo }];
  }
}

export const good = (text: string): Finding => ({ kind: 'good', text });
export const attention = (text: string, todo: string): Finding => ({ kind: 'attention', text, todo });
export const broken = (text: string, todo: string): Finding => ({ kind: 'broken', text, todo });
export const notApplicable = (text: string): Finding => ({ kind: 'not_applicable', text });

/** The name of an SDK error. Any other error goes on. */
export function errorName(error: unknown): string {
  return error instanceof Error ? error.name : String(error);
}
