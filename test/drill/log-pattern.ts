/**
 * Whether a JSON log line fits a filter pattern, as far as the runbook uses them: `{ $.a = "x*" }`, `$.n > 0`, `$.b IS TRUE`,
 * joined by `&&` or by `||`. A phrase in quotes has to be in the line.
 *
 * @throws Error for any other pattern, which CloudWatch Logs might refuse
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
 */
export function fits(pattern: string, line: string): boolean {
  const [, phrase] = /^"([^"]*)"$/.exec(pattern) ?? [];
  if (phrase !== undefined) return line.includes(phrase);
  const [, selector] = /^\{(.+)\}$/.exec(pattern.trim()) ?? [];
  if (selector === undefined) throw new Error(`The filter pattern ${pattern} is not known.`);
  const fields = parsed(line);
  return selector.split('||').some((one) => one.split('&&').every((condition) => holds(condition, fields)));
}

const CONDITION = /^\s*\(?\s*\$\.([\w.]+)\s*(?:(=|>)\s*(?:"([^"]*)"|(\d+))|IS (TRUE))\s*\)?\s*$/;

function holds(condition: string, fields: unknown): boolean {
  const found = CONDITION.exec(condition);
  if (found === null) throw new Error(`The condition ${condition} is not known.`);
  const [, path = '', operator, text, number, isTrue] = found;
  const value = path
    .split('.')
    .reduce<unknown>((inside, name) => (inside as Record<string, unknown> | undefined)?.[name], fields);
  if (isTrue !== undefined) return value === true;
  if (number !== undefined)
    return operator === '>' ? Number(value) > Number(number) : value === Number(number);
  const wanted = (text ?? '').split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return typeof value === 'string' && new RegExp(`^${wanted.join('.*')}$`).test(value);
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return {};
  }
}
