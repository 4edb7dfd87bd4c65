import { AwsError } from '../protocol/aws-error.ts';

/** A log event as Logs Insights sees it: `@timestamp`, `@message` and the top-level fields of its JSON. */
export type LogRecord = Readonly<Record<string, unknown>>;

/**
 * Runs a query over log events, in the part of the Logs Insights language that this project's commands use:
 *
 * - `fields a, b`
 * - `filter` with conditions joined by `and`: `a = "text"`, `!=`, `>`, `>=`, `<`, `<=` with a number or a text,
 *   `a like "part"`, `ispresent(a)`, `not ispresent(a)`
 * - `stats count(*) as n, sum(a) as b, max(a) as c, min(a) as d by e, bin(1m) as minute`, also twice
 * - `sort a desc, b asc`, `limit 10`
 *
 * @returns rows of texts; of the time that a bin begins, as Insights writes times
 * @throws AwsError MalformedQueryException for anything else
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
 */
export function runQuery(query: string, events: readonly LogRecord[]): Record<string, string>[] {
  let rows: readonly LogRecord[] = events;
  let columns: readonly string[] = ['@timestamp', '@message'];
  for (const step of splitAt(query, '|')) {
    const [, command = '', rest = ''] = /^(\w+)\s+([\s\S]*)$/.exec(step.trim()) ?? [];
    switch (command) {
      case 'fields':
        columns = splitAt(rest, ',').map((name) => fieldIn(name));
        break;
      case 'filter': {
        const conditions = splitAt(rest, / and /).map(conditionIn);
        rows = rows.filter((row) => conditions.every((holds) => holds(row)));
        break;
      }
      case 'stats': {
        const { found, names } = statistics(rest, rows);
        rows = found;
        columns = names;
        break;
      }
      case 'sort': {
        const orders = splitAt(rest, ',').map(orderIn);
        rows = rows.toSorted((a, b) => orders.reduce((sum, order) => sum || order(a, b), 0));
        break;
      }
      case 'limit':
        rows = rows.slice(0, wholeNumber(rest));
        break;
      default:
        throw malformed(step);
    }
  }
  return rows.map((row) =>
    Object.fromEntries(
      columns.flatMap((name) => (row[name] === undefined ? [] : [[name, shown(name, row[name])]])),
    ),
  );
}

function malformed(what: string): AwsError {
  return new AwsError('MalformedQueryException', `unexpected symbol found in ${what.trim().slice(0, 100)}`);
}

/** Of private use: no query has it. */
const MARK = '\uE000';
const HIDDEN = /\uE000(\d+)\uE000/g;

/** Splits a text outside of quotes and parentheses. */
function splitAt(text: string, separator: string | RegExp): string[] {
  const hidden: string[] = [];
  const covered = text.replaceAll(
    /"(?:[^"\\]|\\.)*"|\([^()]*\)/g,
    (part) => `${MARK}${hidden.push(part) - 1}${MARK}`,
  );
  return covered
    .split(separator)
    .map((part) => part.replaceAll(HIDDEN, (_, index: string) => hidden[Number(index)] ?? ''));
}

function fieldIn(text: string): string {
  const [name] = /^@?[A-Za-z_][\w.]*$/.exec(text.trim()) ?? [];
  if (name === undefined) throw malformed(text);
  return name;
}

function wholeNumber(text: string): number {
  if (!/^\s*\d+\s*$/.test(text)) throw malformed(text);
  return Number(text);
}

type Condition = (row: LogRecord) => boolean;

function conditionIn(text: string): Condition {
  const [, not, present] = /^\s*(not\s+)?ispresent\(([^)]*)\)\s*$/.exec(text) ?? [];
  if (present !== undefined) {
    const name = fieldIn(present);
    return (row) => (row[name] !== undefined) === (not === undefined);
  }
  const [, field, operator = '', operand = ''] =
    /^\s*(\S+)\s*(=|!=|>=|<=|>|<|like)\s*(".*"|-?[\d.]+)\s*$/s.exec(text) ?? [];
  if (field === undefined) throw malformed(text);
  const name = fieldIn(field);
  const wanted = operand.startsWith('"') ? operand.slice(1, -1).replaceAll(/\\(.)/g, '$1') : Number(operand);
  return (row) => {
    const value = row[name];
    // What is absent equals nothing, and differs from everything.
    if (value === undefined || value === null) return operator === '!=';
    return compare(typeof wanted === 'number' ? Number(value) : String(value), operator, wanted);
  };
}

function compare(value: string | number, operator: string, wanted: string | number): boolean {
  switch (operator) {
    case '=':
      return value === wanted;
    case '!=':
      return value !== wanted;
    case '>':
      return value > wanted;
    case '>=':
      return value >= wanted;
    case '<':
      return value < wanted;
    case '<=':
      return value <= wanted;
    default:
      return String(value).includes(String(wanted));
  }
}

function orderIn(text: string): (a: LogRecord, b: LogRecord) => number {
  const [, field = '', direction = 'asc'] = /^\s*(\S+)(?:\s+(asc|desc))?\s*$/.exec(text) ?? [];
  const name = fieldIn(field);
  const sign = direction === 'desc' ? -1 : 1;
  return (a, b) => {
    const [one, other] = [a[name], b[name]];
    const order =
      typeof one === 'number' && typeof other === 'number'
        ? one - other
        : String(one ?? '').localeCompare(String(other ?? ''));
    return sign * order;
  };
}

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function statistics(text: string, rows: readonly LogRecord[]) {
  const [wanted = '', by = ''] = splitAt(text, / by /);
  const aggregates = splitAt(wanted, ',').map(aggregateIn);
  const keys = by.trim() === '' ? [] : splitAt(by, ',').map(keyIn);
  const groups = Map.groupBy(rows, (row) => JSON.stringify(keys.map(({ read }) => read(row) ?? null)));
  const found = [...groups.values()].map((own) =>
    Object.fromEntries([
      ...keys.map(({ name, read }) => [name, read(own[0] ?? {})] as const),
      ...aggregates.map(({ name, of }) => [name, of(own)] as const),
    ]),
  );
  return { found, names: [...keys, ...aggregates].map(({ name }) => name) };
}

function aggregateIn(text: string) {
  const [, kind = '', operand = '', alias] = /^\s*(\w+)\(([^)]*)\)(?:\s+as\s+(\w+))?\s*$/.exec(text) ?? [];
  const name = alias ?? text.trim();
  const field = operand === '*' ? undefined : fieldIn(operand);
  const values = (rows: readonly LogRecord[]) =>
    rows.flatMap((row) => {
      const value = field === undefined ? undefined : row[field];
      return value === undefined || Number.isNaN(Number(value)) ? [] : [Number(value)];
    });
  // Of nothing there is no sum, as of Insights.
  const over = (combine: (numbers: readonly number[]) => number) => (rows: readonly LogRecord[]) => {
    const numbers = values(rows);
    return numbers.length === 0 ? undefined : combine(numbers);
  };
  switch (kind) {
    case 'count':
      return {
        name,
        of: (rows: readonly LogRecord[]) =>
          field === undefined ? rows.length : rows.filter((row) => row[field] !== undefined).length,
      };
    case 'sum':
      return { name, of: over((numbers) => numbers.reduce((sum, one) => sum + one, 0)) };
    case 'max':
      return { name, of: over((numbers) => numbers.reduce((most, one) => Math.max(most, one))) };
    case 'min':
      return { name, of: over((numbers) => numbers.reduce((least, one) => Math.min(least, one))) };
    default:
      throw malformed(text);
  }
}

function keyIn(text: string) {
  const [, amount, unit = '', alias] = /^\s*bin\((\d+)([smhd])\)(?:\s+as\s+(\w+))?\s*$/.exec(text) ?? [];
  if (amount === undefined) {
    const name = fieldIn(text);
    return { name, read: (row: LogRecord) => row[name] };
  }
  const length = Number(amount) * (UNITS[unit] ?? 1);
  const name = alias ?? `bin(${amount}${unit})`;
  return {
    name,
    read: (row: LogRecord) => instant(Math.floor(Number(row['@timestamp']) / length) * length),
  };
}

function shown(name: string, value: unknown): string {
  if (name === '@timestamp' && typeof value === 'number') return instant(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** As Insights writes a time. */
function instant(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('T', ' ').replace('Z', '');
}
