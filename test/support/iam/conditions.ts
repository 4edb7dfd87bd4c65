/** The condition keys of a request, in lower case: IAM ignores the case of a key's name. */
export type Context = ReadonlyMap<string, readonly string[]>;

export function contextOf(keys: Readonly<Record<string, string | readonly string[]>>): Context {
  return new Map(Object.entries(keys).map(([key, value]) => [key.toLowerCase(), [value].flat()]));
}

export type Conditions = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

type Matcher = (value: string, pattern: string) => boolean;

/** `*` stands for any text, `?` for one character. */
export function matchesPattern(value: string, pattern: string): boolean {
  const source = pattern.replaceAll(/[\\^$.*+?()[\]{}|]/g, (sign) =>
    sign === '*' ? '[\\s\\S]*' : sign === '?' ? '[\\s\\S]' : `\\${sign}`,
  );
  return new RegExp(`^${source}$`, 'u').test(value);
}

/** In an ARN a wildcard ends at a colon, except in the last of its six parts. */
function matchesArn(value: string, pattern: string): boolean {
  const parts = (arn: string) => {
    const all = arn.split(':');
    return [...all.slice(0, 5), all.slice(5).join(':')];
  };
  const [own, wanted] = [parts(value), parts(pattern)];
  return own.every((part, index) => matchesPattern(part, wanted[index] ?? ''));
}

const MATCHERS: Readonly<Record<string, Matcher>> = {
  StringEquals: (value, wanted) => value === wanted,
  StringLike: matchesPattern,
  ArnEquals: matchesArn,
  ArnLike: matchesArn,
  Bool: (value, wanted) => value.toLowerCase() === wanted.toLowerCase(),
};

const NEGATED: Readonly<Record<string, string>> = {
  StringNotEquals: 'StringEquals',
  StringNotLike: 'StringLike',
  ArnNotEquals: 'ArnEquals',
  ArnNotLike: 'ArnLike',
};

/**
 * Whether all conditions of a statement hold.
 *
 * @throws Error for an operator, or a use of one, that isn't known here: what is not understood is neither allowed nor
 * denied in silence
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
 */
export function conditionsHold(conditions: Conditions, context: Context): boolean {
  // Each is looked at, so that an unknown one throws also where another does not hold.
  const results = Object.entries(conditions).flatMap(([operator, keys]) =>
    Object.entries(keys).map(([key, wanted]) => holds(operator, key, textsOf(operator, wanted), context)),
  );
  return results.every(Boolean);
}

function holds(operator: string, key: string, wanted: readonly string[], context: Context): boolean {
  const values = context.get(key.toLowerCase());
  if (operator === 'Null') {
    const [absent] = wanted;
    if (wanted.length !== 1 || !/^(?:true|false)$/.test(absent ?? '')) throw unknown(`Null ${wanted}`);
    return (values === undefined || values.length === 0) === (absent === 'true');
  }
  const [, set, name = '', ifExists] =
    /^(?:(ForAllValues|ForAnyValue):)?(\w+?)(IfExists)?$/.exec(operator) ?? [];
  const negated = Object.hasOwn(NEGATED, name);
  const plain = negated ? (NEGATED[name] ?? '') : name;
  const matcher = Object.hasOwn(MATCHERS, plain) ? MATCHERS[plain] : undefined;
  if (matcher === undefined || (set !== undefined && (negated || ifExists !== undefined)))
    throw unknown(operator);
  if (values === undefined || values.length === 0)
    return set === undefined ? negated || ifExists !== undefined : set === 'ForAllValues';
  const matches = (value: string) => wanted.some((pattern) => matcher(value, pattern));
  if (set === 'ForAllValues') return values.every(matches);
  if (set === 'ForAnyValue') return values.some(matches);
  const [value = '', ...more] = values;
  // AWS says not to use these without a set operator, and not what happens then.
  if (more.length > 0) throw unknown(`${operator} on ${key}, which has ${values.length} values`);
  return matches(value) !== negated;
}

function textsOf(operator: string, wanted: unknown): readonly string[] {
  const texts = [wanted].flat();
  for (const text of texts) {
    if (typeof text !== 'string' && typeof text !== 'boolean')
      throw unknown(`${operator} with ${JSON.stringify(text)}`);
    if (String(text).includes('${')) throw unknown(`${operator} with the variable ${text}`);
  }
  return texts.map(String);
}

const unknown = (what: string) => new Error(`This evaluator does not know the condition ${what}.`);
