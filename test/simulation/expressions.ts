/**
 * DynamoDB's expressions, as far as this product writes them. Values are plain JavaScript, as the document client gives
 * them.
 *
 * @see https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
 */

export type Item = Readonly<Record<string, unknown>>;

export interface Bindings {
  readonly ExpressionAttributeNames?: Readonly<Record<string, string>> | undefined;
  readonly ExpressionAttributeValues?: Readonly<Record<string, unknown>> | undefined;
}

type Evaluate<T> = (item: Item, bindings: Bindings) => T;

const conditions = new Map<string, Evaluate<boolean>>();
const updates = new Map<string, Evaluate<Item>>();

/** Whether a condition holds for an item; for the absent item that is an empty one. */
export function holds(expression: string | undefined, item: Item | undefined, bindings: Bindings): boolean {
  if (expression === undefined) return true;
  return known(conditions, expression, () => new Parser(expression).condition())(item ?? {}, bindings);
}

/** The item after an update expression. */
export function updated(expression: string, item: Item, bindings: Bindings): Item {
  return known(updates, expression, () => new Parser(expression).update())(item, bindings);
}

function known<T>(all: Map<string, T>, key: string, make: () => T): T {
  let made = all.get(key);
  if (made === undefined) {
    made = make();
    all.set(key, made);
  }
  return made;
}

const WORD = /\s*(<=|>=|<>|[()=<>,.]|[#:]?[\w-]+)/y;

class Parser {
  readonly #words: readonly string[];
  #at = 0;

  constructor(expression: string) {
    const words: string[] = [];
    WORD.lastIndex = 0;
    for (let found = WORD.exec(expression); found !== null; found = WORD.exec(expression))
      words.push(found[1] ?? '');
    this.#words = words;
  }

  condition(): Evaluate<boolean> {
    const all = this.#or();
    if (this.#at < this.#words.length) throw this.#wrong();
    return all;
  }

  update(): Evaluate<Item> {
    const steps: ((item: Record<string, unknown>, bindings: Bindings) => void)[] = [];
    while (this.#at < this.#words.length) {
      const clause = this.#next();
      if (clause !== 'SET' && clause !== 'REMOVE') throw this.#wrong();
      do {
        const path = this.#path();
        if (clause === 'REMOVE')
          steps.push((item, bindings) => {
            change(item, path, bindings, (at, name) => delete at[name]);
          });
        else {
          this.#expect('=');
          const value = this.#operand();
          steps.push((item, bindings) => {
            change(item, path, bindings, (at, name) => {
              at[name] = value(item, bindings);
            });
          });
        }
      } while (this.#take(','));
    }
    return (item, bindings) => {
      const next = { ...item };
      for (const step of steps) step(next, bindings);
      return next;
    };
  }

  #or(): Evaluate<boolean> {
    const parts = [this.#and()];
    while (this.#take('OR')) parts.push(this.#and());
    return parts.length === 1 && parts[0] ? parts[0] : (item, of) => parts.some((part) => part(item, of));
  }

  #and(): Evaluate<boolean> {
    const parts = [this.#not()];
    while (this.#take('AND')) parts.push(this.#not());
    return parts.length === 1 && parts[0] ? parts[0] : (item, of) => parts.every((part) => part(item, of));
  }

  #not(): Evaluate<boolean> {
    if (this.#take('NOT')) {
      const part = this.#not();
      return (item, of) => !part(item, of);
    }
    if (this.#take('(')) {
      const part = this.#or();
      this.#expect(')');
      return part;
    }
    return this.#comparison();
  }

  #comparison(): Evaluate<boolean> {
    const word = this.#words[this.#at];
    if (word === 'attribute_exists' || word === 'attribute_not_exists') {
      const [path] = this.#arguments();
      return (item, of) => (path?.(item, of) !== undefined) === (word === 'attribute_exists');
    }
    if (word === 'begins_with') {
      const [path, start] = this.#arguments();
      return (item, of) => {
        const text = path?.(item, of);
        return typeof text === 'string' && text.startsWith(String(start?.(item, of)));
      };
    }
    if (word === 'attribute_type') {
      const [path, type] = this.#arguments();
      return (item, of) => typeOf(path?.(item, of)) === type?.(item, of);
    }
    const left = this.#operand();
    const sign = this.#next();
    if (sign === 'BETWEEN') {
      const low = this.#operand();
      this.#expect('AND');
      const high = this.#operand();
      return (item, of) =>
        compare(left(item, of), '>=', low(item, of)) && compare(left(item, of), '<=', high(item, of));
    }
    if (sign === 'IN') {
      this.#at--;
      const among = this.#arguments();
      return (item, of) => among.some((one) => compare(left(item, of), '=', one(item, of)));
    }
    const right = this.#operand();
    return (item, of) => compare(left(item, of), sign, right(item, of));
  }

  #arguments(): Evaluate<unknown>[] {
    this.#next();
    this.#expect('(');
    const operands = [this.#operand()];
    while (this.#take(',')) operands.push(this.#operand());
    this.#expect(')');
    return operands;
  }

  #operand(): Evaluate<unknown> {
    const word = this.#words[this.#at];
    if (word === 'size') {
      const [of] = this.#arguments();
      return (item, bindings) => Object.keys((of?.(item, bindings) ?? {}) as object).length;
    }
    if (word?.startsWith(':')) {
      this.#at++;
      return (_, { ExpressionAttributeValues: values = {} }) => values[word];
    }
    const path = this.#path();
    return (item, bindings) =>
      path.reduce<unknown>((at, name) => (at as Item | undefined)?.[name(bindings)], item);
  }

  #path(): Name[] {
    const path = [this.#name()];
    while (this.#take('.')) path.push(this.#name());
    return path;
  }

  #name(): Name {
    const word = this.#next();
    if (!word.startsWith('#')) return () => word;
    return ({ ExpressionAttributeNames: names = {} }) => names[word] ?? word;
  }

  #next(): string {
    return this.#words[this.#at++] ?? '';
  }

  #take(word: string): boolean {
    if (this.#words[this.#at] !== word) return false;
    this.#at++;
    return true;
  }

  #expect(word: string): void {
    if (!this.#take(word)) throw this.#wrong();
  }

  #wrong(): Error {
    return new Error(`not understood at word ${this.#at}: ${this.#words.join(' ')}`);
  }
}

type Name = (bindings: Bindings) => string;

/** Changes what a path leads to, and nothing that an earlier state of the item has a part of. */
function change(
  item: Record<string, unknown>,
  path: readonly Name[],
  bindings: Bindings,
  how: (at: Record<string, unknown>, name: string) => void,
): void {
  let at = item;
  for (const name of path.slice(0, -1)) {
    const inner = at[name(bindings)];
    if (typeof inner !== 'object') throw new Error('a document path that leads nowhere');
    at = at[name(bindings)] = { ...inner } as Record<string, unknown>;
  }
  const last = path.at(-1);
  if (last !== undefined) how(at, last(bindings));
}

/** What is absent, or of another type, compares with nothing; but it differs from everything. */
function compare(left: unknown, sign: string, right: unknown): boolean {
  const same = typeOf(left) === typeOf(right) && left !== undefined;
  if (sign === '<>') return !same || JSON.stringify(left) !== JSON.stringify(right);
  if (!same) return false;
  if (sign === '=') return left === right || JSON.stringify(left) === JSON.stringify(right);
  const [a, b] = [left as number, right as number];
  if (sign === '<') return a < b;
  if (sign === '<=') return a <= b;
  if (sign === '>') return a > b;
  if (sign === '>=') return a >= b;
  throw new Error(`not understood: ${sign}`);
}

function typeOf(value: unknown): string {
  if (typeof value === 'number') return 'N';
  if (typeof value === 'string') return 'S';
  if (typeof value === 'boolean') return 'BOOL';
  if (value === null) return 'NULL';
  return Array.isArray(value) ? 'L' : value === undefined ? 'absent' : 'M';
}
