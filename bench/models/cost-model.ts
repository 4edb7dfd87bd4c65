import { METRIC } from '../../lambda/metric-names.ts';

/**
 * What a month of 30 days costs, on paper. Prices are on demand in us-east-1, in US dollars, without free tiers.
 *
 * Sources: the pricing pages of AWS Secrets Manager, DynamoDB, Lambda, CloudWatch, KMS and X-Ray.
 */
const PRICES = {
  secretMonth: 0.4,
  secretsManagerCall: 0.05 / 10_000,
  /** A write of up to 1 KB, and an eventually consistent read of up to 8 KB (half a unit for each 4 KB). */
  tableWrite: 0.625 / 1_000_000,
  tableReadUnit: 0.125 / 1_000_000,
  /** A data key for escrow. */
  kmsCall: 0.03 / 10_000,
  /** Storage, and the backups of point-in-time recovery. */
  tableGigabyteMonth: 0.25 + 0.2,
  /** Arm. */
  lambdaGigabyteSecond: 0.0000133334,
  lambdaRequest: 0.2 / 1_000_000,
  logGigabyte: 0.5,
  metricMonth: 0.3,
  keyMonth: 1,
  alarmMonth: 0.1,
  dashboardMonth: 3,
  trace: 5 / 1_000_000,
} as const;

const MONTH = 30 * 86_400;
/** The function's metrics, and the stack's keys (for table, escrow and alarms). */
const METRICS = Object.keys(METRIC).length;
const KEYS = 3;
/** The metrics that alarms watch: an alarm costs $0.10 for each of its metrics. */
export const ALARMS = 14;
/** The size of a page of a scan. */
const PAGE_BYTES = 1_048_576;
/** Seconds between two notes of a profile's last grant (core/account/profile-note.ts). */
const NOTED_EVERY = 600;
/** Accounts that all segments together begin in a second (lambda/run.ts). */
const STARTS_PER_SECOND = 48;

export interface Fleet {
  readonly accounts: number;
  /** How many seconds an access token lives. */
  readonly tokenLifetime: number;
  /** Seconds. */
  readonly refreshWindow: number;
  /** Seconds between two runs. */
  readonly schedule: number;
  readonly profiles: number;
  readonly itemBytes: number;
  readonly memoryGigabytes: number;
  /** Bytes that the function logs for an account, and besides that for a run. Measured. */
  readonly logBytesAccount: number;
  readonly logBytesRun: number;
  /** Seconds for a page of the scan, and for a run over nothing. */
  readonly secondsPage: number;
  readonly secondsRun: number;
}

export const usualFleet: Omit<Fleet, 'accounts'> = {
  tokenLifetime: 3_600,
  refreshWindow: 300,
  schedule: 60,
  profiles: 10,
  itemBytes: 400,
  memoryGigabytes: 0.5,
  logBytesAccount: 850,
  logBytesRun: 1_850,
  secondsPage: 0.05,
  secondsRun: 0.1,
};

interface MonthlyCost {
  readonly secrets: number;
  readonly secretsManagerCalls: number;
  readonly scans: number;
  /** Reads of the profiles' notes. */
  readonly notes: number;
  readonly tableWrites: number;
  readonly tableStorage: number;
  readonly lambda: number;
  readonly logs: number;
  /** What doesn't grow with the fleet: metrics, keys, data keys, alarms, a dashboard and traces. */
  readonly fixed: number;
  readonly total: number;
}

/** Seconds between two refreshes of an account: until it is due, and half a schedule until a run finds it. */
export function refreshInterval({
  tokenLifetime,
  refreshWindow,
  schedule,
}: Pick<Fleet, 'tokenLifetime' | 'refreshWindow' | 'schedule'>): number {
  return tokenLifetime - refreshWindow + schedule / 2;
}

export function monthlyCost(fleet: Fleet): MonthlyCost {
  const { accounts, schedule, profiles, itemBytes, memoryGigabytes } = fleet;
  const runs = MONTH / schedule;
  const refreshes = (accounts * MONTH) / refreshInterval(fleet);
  const tableBytes = accounts * itemBytes;
  const pages = Math.ceil(tableBytes / PAGE_BYTES);
  const seconds = runs * (fleet.secondsRun + pages * fleet.secondsPage) + refreshes / STARTS_PER_SECOND;
  const terms = {
    secrets: (accounts + profiles) * PRICES.secretMonth,
    // A read and a put for each refresh; each profile once a run.
    secretsManagerCalls: (2 * refreshes + profiles * runs) * PRICES.secretsManagerCall,
    scans: runs * Math.ceil(tableBytes / 4_096) * 0.5 * PRICES.tableReadUnit,
    // A consistent read of each profile's note once a run.
    notes: runs * profiles * PRICES.tableReadUnit,
    tableWrites: (2 * refreshes + profiles * (MONTH / NOTED_EVERY)) * PRICES.tableWrite,
    tableStorage: (tableBytes / 2 ** 30) * PRICES.tableGigabyteMonth,
    lambda: seconds * memoryGigabytes * PRICES.lambdaGigabyteSecond + runs * PRICES.lambdaRequest,
    logs: ((refreshes * fleet.logBytesAccount + runs * fleet.logBytesRun) / 2 ** 30) * PRICES.logGigabyte,
    fixed:
      METRICS * PRICES.metricMonth +
      KEYS * PRICES.keyMonth +
      ALARMS * PRICES.alarmMonth +
      PRICES.dashboardMonth +
      runs * (PRICES.trace + PRICES.kmsCall),
  };
  return { ...terms, total: Object.values(terms).reduce((sum, term) => sum + term, 0) };
}

/** How many accounts one Region of one AWS account keeps fresh. Its 50 writes a second can't be raised. */
export function accountsPerRegion(fleet: Omit<Fleet, 'accounts'>): number {
  return Math.floor(STARTS_PER_SECOND * refreshInterval(fleet));
}

/** How many Regions, or AWS accounts, a fleet needs. */
export function regionsFor(fleet: Fleet): number {
  return Math.ceil(fleet.accounts / accountsPerRegion(fleet));
}
