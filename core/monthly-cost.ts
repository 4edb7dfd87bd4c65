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
/** The stack's keys (for table, escrow and alarms). */
const KEYS = 3;
/** The metrics that alarms watch: an alarm costs $0.10 for each of its metrics. */
export const ALARMS = 14;
/** The size of a page of a scan. */
const PAGE_BYTES = 1_048_576;
/** Seconds between two notes of a profile's last grant (core/account/profile-note.ts). */
const NOTED_EVERY = 600;
/** Each account's secret is read so often to see that it is there, and at least two in a run (lambda/sample-secrets.ts). */
const SAMPLES = 60;
const LEAST_SAMPLED = 2;
/** A profile's note and the note that pauses it; the latter again every ten seconds, and for the sample. */
const NOTES_READ = 4;
/** Accounts that all segments together begin in a second (lambda/run.ts). */
export const STARTS_PER_SECOND = 48;

/** How a fleet is run, and what was measured of it. */
export interface Running {
  /** Seconds between two runs. */
  readonly schedule: number;
  readonly profiles: number;
  readonly memoryGigabytes: number;
  /** How many metrics the function publishes. */
  readonly metrics: number;
  /** Bytes that the function logs for an account, and besides that for a run. Measured. */
  readonly logBytesAccount: number;
  readonly logBytesRun: number;
  /** Seconds for a page of the scan, and for a run over nothing. */
  readonly secondsPage: number;
  readonly secondsRun: number;
}

/** What accounts load a fleet with. */
export interface Load {
  /** Profiles' secrets among them. */
  readonly secrets: number;
  /** In a month. */
  readonly refreshes: number;
  readonly tableBytes: number;
}

export interface Fleet extends Running {
  readonly accounts: number;
  /** How many seconds an access token lives. */
  readonly tokenLifetime: number;
  /** Seconds. */
  readonly refreshWindow: number;
  readonly itemBytes: number;
}

/** As it is deployed, and as it was measured. */
export const USUAL_RUNNING: Omit<Running, 'metrics'> = {
  schedule: 60,
  profiles: 10,
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

/** Refreshes in a month, of one account. @param interval seconds between two */
export function refreshesOf(interval: number): number {
  return MONTH / interval;
}

export function monthlyCost(fleet: Fleet): MonthlyCost {
  const { accounts, profiles, itemBytes } = fleet;
  const refreshes = accounts * refreshesOf(refreshInterval(fleet));
  return costOf({ secrets: accounts + profiles, refreshes, tableBytes: accounts * itemBytes }, fleet);
}

/** A month of any load. */
export function costOf({ secrets, refreshes, tableBytes }: Load, running: Running): MonthlyCost {
  const { schedule, profiles, memoryGigabytes } = running;
  const runs = MONTH / schedule;
  const pages = Math.ceil(tableBytes / PAGE_BYTES);
  const seconds = runs * (running.secondsRun + pages * running.secondsPage) + refreshes / STARTS_PER_SECOND;
  const sampled = Math.max((secrets - profiles) * SAMPLES, runs * LEAST_SAMPLED);
  const terms = {
    secrets: secrets * PRICES.secretMonth,
    // A read and a put for each refresh; each profile once a run; the sample.
    secretsManagerCalls: (2 * refreshes + profiles * runs + sampled) * PRICES.secretsManagerCall,
    scans: (runs + SAMPLES) * Math.ceil(tableBytes / 4_096) * 0.5 * PRICES.tableReadUnit,
    // Consistent reads, once a run.
    notes: runs * profiles * NOTES_READ * PRICES.tableReadUnit,
    tableWrites: (2 * refreshes + profiles * (MONTH / NOTED_EVERY)) * PRICES.tableWrite,
    tableStorage: (tableBytes / 2 ** 30) * PRICES.tableGigabyteMonth,
    lambda: seconds * memoryGigabytes * PRICES.lambdaGigabyteSecond + runs * PRICES.lambdaRequest,
    logs: ((refreshes * running.logBytesAccount + runs * running.logBytesRun) / 2 ** 30) * PRICES.logGigabyte,
    fixed:
      running.metrics * PRICES.metricMonth +
      KEYS * PRICES.keyMonth +
      ALARMS * PRICES.alarmMonth +
      PRICES.dashboardMonth +
      runs * (PRICES.trace + PRICES.kmsCall),
  };
  return { ...terms, total: Object.values(terms).reduce((sum, term) => sum + term, 0) };
}

/** What a month costs more for this part of a load: all that grows with it. Runs, scans and what is fixed are shared. */
export function ownCost({ secrets, refreshes, tableBytes }: Load, running: Running): number {
  const { memoryGigabytes, logBytesAccount } = running;
  const refresh =
    2 * PRICES.secretsManagerCall +
    2 * PRICES.tableWrite +
    (memoryGigabytes * PRICES.lambdaGigabyteSecond) / STARTS_PER_SECOND +
    (logBytesAccount / 2 ** 30) * PRICES.logGigabyte;
  const secret = PRICES.secretMonth + SAMPLES * PRICES.secretsManagerCall;
  return secrets * secret + refreshes * refresh + (tableBytes / 2 ** 30) * PRICES.tableGigabyteMonth;
}

/** How many accounts one Region of one AWS account keeps fresh. Its 50 writes a second can't be raised. */
export function accountsPerRegion(fleet: Omit<Fleet, 'accounts'>): number {
  return Math.floor(STARTS_PER_SECOND * refreshInterval(fleet));
}

/** How many Regions, or AWS accounts, a fleet needs. */
export function regionsFor(fleet: Fleet): number {
  return Math.ceil(fleet.accounts / accountsPerRegion(fleet));
}
