/** What a field of a log line holds, for docs/logs.md. The function takes only the types from here. */
export interface AboutField {
  readonly type: keyof TypeNamed;
  /** Where the value has one. */
  readonly unit?: string;
  readonly meaning: string;
  /** The lines that have it. */
  readonly where: LinesWithIt;
}

interface TypeNamed {
  readonly text: string;
  readonly number: number;
  readonly boolean: boolean;
  readonly list: readonly object[];
}

type LinesWithIt =
  | 'every line'
  | 'with tracing'
  | 'about an account'
  | 'about a profile'
  | "an attempt's outcome"
  | 'an outcome after a token request'
  | 'trouble with AWS'
  | 'a failed run, or a fault of the program'
  | 'a doubt about the clock'
  | 'the last line of a run'
  | 'the last line of a run by hand';

/** A count of accounts, in the run's last line. */
const accounts = (meaning: string) =>
  ({ type: 'number', unit: 'accounts', meaning, where: 'the last line of a run' }) as const;

/** Each field of the function's log lines. A field that is not here can't be logged: `LogFields` is made from it. */
export const LOG_FIELDS = {
  timestamp: { type: 'text', meaning: 'when, in UTC', where: 'every line' },
  level: { type: 'text', meaning: '`INFO`, `WARN` or `ERROR`', where: 'every line' },
  message: {
    type: 'text',
    meaning: 'what happened; may quote a provider, never a token',
    where: 'every line',
  },
  service: { type: 'text', meaning: "the deployment, as in the metrics' dimension", where: 'every line' },
  runId: { type: 'text', meaning: 'the run; events have it too', where: 'every line' },
  requestId: { type: 'text', meaning: "Lambda's id of the invocation", where: 'every line' },
  sampling_rate: { type: 'number', meaning: "the logger's; means nothing here", where: 'every line' },
  xray_trace_id: { type: 'text', meaning: 'the trace in X-Ray', where: 'with tracing' },
  accountId: { type: 'text', meaning: 'the account', where: 'about an account' },
  oauthProfile: { type: 'text', meaning: 'the profile', where: 'about a profile' },
  reason: { type: 'text', meaning: '[why](reasons.md)', where: 'about an account' },
  status: {
    type: 'text',
    meaning: '`healthy`, `failing` or `reauthorization_required` from now on',
    where: "an attempt's outcome",
  },
  attemptId: {
    type: 'text',
    meaning: 'the attempt, as in `lease` and `escrow`',
    where: "an attempt's outcome",
  },
  httpStatus: {
    type: 'number',
    meaning: "status of the provider's last response",
    where: 'an outcome after a token request',
  },
  providerRequestId: {
    type: 'text',
    meaning: "the provider's own id of the request, from its response's headers, for its support",
    where: 'an outcome after a token request',
  },
  exchangeMs: {
    type: 'number',
    unit: 'milliseconds',
    meaning: 'from sending the token request to its response',
    where: 'an outcome after a token request',
  },
  awsError: { type: 'text', meaning: 'name of the error that AWS gave', where: 'trouble with AWS' },
  tries: { type: 'number', meaning: 'puts that have failed so far', where: 'trouble with AWS' },
  errorName: {
    type: 'text',
    meaning: 'name of an error, never its text',
    where: 'a failed run, or a fault of the program',
  },
  code: {
    type: 'text',
    meaning: 'code of the error, stable',
    where: 'a failed run, or a fault of the program',
  },
  accountsWaiting: {
    type: 'number',
    unit: 'accounts',
    meaning: 'due accounts that wait for their profile',
    where: 'about a profile',
  },
  at: { type: 'number', unit: 'seconds since the epoch', meaning: 'when that was', where: 'about a profile' },
  clockAheadSeconds: {
    type: 'number',
    unit: 'seconds',
    meaning: "how far the function's clock is ahead of the providers'; negative: behind",
    where: 'a doubt about the clock',
  },
  incomplete: {
    type: 'boolean',
    meaning: '`true` where the run ended before it had read its whole share of the table',
    where: 'the last line of a run',
  },
  scanned: { ...accounts('read, notes included'), unit: 'items' },
  due: accounts('whose token was to be refreshed'),
  refreshed: accounts('refreshed'),
  reconciled: accounts('whose stored token set an earlier run had not recorded'),
  leasedElsewhere: accounts('left to another run, which had the lease'),
  failed: accounts('that failed and will be tried again'),
  reauthorizationRequired: accounts('that need a person'),
  invalid: accounts('with something to be corrected'),
  deferred: accounts('left to a later run'),
  durationMs: {
    type: 'number',
    unit: 'milliseconds',
    meaning: 'how long it took',
    where: 'the last line of a run',
  },
  accounts: {
    type: 'list',
    meaning: 'what became of each: `accountId`, `action`, `reason`, `accessTokenExpiresAt`',
    where: 'the last line of a run by hand',
  },
  accountsOmitted: {
    type: 'number',
    unit: 'accounts',
    meaning: 'that did not fit into `accounts`',
    where: 'the last line of a run by hand',
  },
} as const satisfies Record<string, AboutField>;

/** The fields that a line may have beside its message. */
export type LogFields = {
  readonly [Field in keyof typeof LOG_FIELDS]?: TypeNamed[(typeof LOG_FIELDS)[Field]['type']] | undefined;
};

/** A field that is not described in `LOG_FIELDS` can't be logged: it doesn't compile. */
type Described<Fields> = Fields & { readonly [Field in Exclude<keyof Fields, keyof LogFields>]: never };

type Write = <Fields extends LogFields>(message: string, fields?: Described<Fields>) => void;

/** Where the function's own lines go. Errors are never handed over whole: their `cause` may hold tokens. */
export type Log = Readonly<Record<'debug' | 'info' | 'warn' | 'error', Write>>;
