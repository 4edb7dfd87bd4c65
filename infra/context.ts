/** What `cdk -c name=value` may set for the stack of this repository. */
export interface Context {
  /** Becomes part of the stack's name; `dev` is a throwaway: only its secrets stay when it is destroyed. */
  readonly stage: string;
  /** How the names of its secrets begin. */
  readonly prefix: string;
  readonly segments: number | undefined;
  /** Seconds. */
  readonly window: number | undefined;
  /** Seconds. */
  readonly spread: number | undefined;
  readonly tableArn: string | undefined;
  /** The ARN of the key that encrypts it. */
  readonly tableKeyArn: string | undefined;
  /** The tables of deployments that this one replaces. */
  readonly formerTables: readonly string[];
  readonly privateCidrs: readonly string[];
  /** Who gets alarms. */
  readonly alarmEmail: string | undefined;
  /** Where docs/runbook.md can be read. */
  readonly runbookUrl: string | undefined;
}

/** Reads the context. @throws Error naming the value that can't be used and what to write instead */
export function readContext(get: (name: string) => unknown): Context {
  const stage = String(get('stage') ?? 'prod');
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(stage))
    throw new Error(
      `stage must be lower-case letters, digits and "-", such as -c stage=prod; it is "${stage}"`,
    );
  return {
    stage,
    prefix: String(get('prefix') ?? (stage === 'prod' ? 'oauth/' : `oauth-${stage}/`)),
    segments: wholeNumber('segments', get('segments'), 1),
    window: wholeNumber('window', get('window'), 1),
    spread: wholeNumber('spread', get('spread'), 0),
    tableArn: text(get('tableArn')),
    tableKeyArn: text(get('tableKeyArn')),
    formerTables: listed(get('formerTables')),
    privateCidrs: listed(get('privateCidrs')),
    alarmEmail: text(get('alarmEmail')),
    runbookUrl: text(get('runbookUrl')),
  };
}

/** An empty value counts as none: pipelines pass unset variables on as empty ones. */
function text(value: unknown): string | undefined {
  return value === undefined || value === '' ? undefined : String(value);
}

function listed(value: unknown): readonly string[] {
  return (text(value) ?? '')
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');
}

function wholeNumber(name: string, value: unknown, least: number): number | undefined {
  if (text(value) === undefined) return undefined;
  const number = Number(value);
  if (!Number.isInteger(number) || number < least)
    throw new Error(`${name} must be a whole number, such as -c ${name}=${name === 'segments' ? 2 : 300}`);
  return number;
}
