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

/** Their names, as people write them after `-c`. */
const NAMES: Readonly<Record<keyof Context, true>> = {
  stage: true,
  prefix: true,
  segments: true,
  window: true,
  spread: true,
  tableArn: true,
  tableKeyArn: true,
  formerTables: true,
  privateCidrs: true,
  alarmEmail: true,
  runbookUrl: true,
};

/** What the CDK keeps in the context under a plain name: `cdk acknowledge`. Its other keys have a ":" or a "/". */
const NOT_OURS = ['acknowledged-issue-numbers'];

/**
 * Reads the context.
 *
 * @param all with the keys of the CDK and its libraries
 * @throws Error naming the value that can't be used and what to write instead
 */
export function readContext(all: Readonly<Record<string, unknown>>): Context {
  refuseUnknown(Object.keys(all));
  const get = (name: keyof Context) => all[name];
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

function refuseUnknown(keys: readonly string[]): void {
  const names = Object.keys(NAMES);
  const unknown = keys.find((key) => !names.includes(key) && !NOT_OURS.includes(key) && !/[:/]/.test(key));
  if (unknown === undefined) return;
  const [nearest = ''] = names.toSorted((a, b) => distance(unknown, a) - distance(unknown, b));
  throw new Error(
    distance(unknown, nearest) <= unknown.length / 2
      ? `There is no setting "${unknown}". Did you mean -c ${nearest}=…?`
      : `There is no setting "${unknown}". Use ${names.join(', ')} (docs/deploy.md).`,
  );
}

/** How many letters must be added, removed or changed to get from one word to another (Levenshtein). */
function distance(from: string, to: string): number {
  const [a, b] = [from.toLowerCase(), to.toLowerCase()];
  let row = [...Array(b.length + 1).keys()];
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
