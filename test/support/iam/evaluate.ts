import { type Conditions, type Context, conditionsHold, matchesPattern } from './conditions.ts';

/** A statement in which nothing of CloudFormation is left. */
export interface Statement {
  readonly Sid?: string;
  readonly Effect: 'Allow' | 'Deny';
  readonly Action?: string | readonly string[];
  readonly NotAction?: string | readonly string[];
  readonly Resource?: string | readonly string[];
  readonly Principal?: unknown;
  readonly Condition?: Conditions;
}

/** What somebody wants to do. */
export interface Request {
  /** Such as `kms:Decrypt`. */
  readonly action: string;
  /** An ARN; `*` where the action accepts none. */
  readonly resource: string;
  readonly context: Context;
}

export type Decision =
  | { readonly kind: 'allowed'; readonly by: Match }
  | { readonly kind: 'explicitly denied'; readonly by: Match }
  | { readonly kind: 'implicitly denied' };

/** The first statement that decides, and the parts of it that do. */
export interface Match {
  readonly statement: Statement;
  readonly action: string;
  readonly resource: string;
}

/**
 * What the policies of one identity say to a request: a denial wins, and what nothing allows is denied.
 *
 * @throws Error for an element that isn't known here
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
 */
export function decide(statements: readonly Statement[], request: Request): Decision {
  // Each statement is looked at, so that an unknown element throws wherever it is.
  const matches = statements.flatMap((statement) => matchOf(statement, request) ?? []);
  const denial = matches.find(({ statement }) => statement.Effect === 'Deny');
  if (denial !== undefined) return { kind: 'explicitly denied', by: denial };
  const [allowance] = matches;
  return allowance === undefined ? { kind: 'implicitly denied' } : { kind: 'allowed', by: allowance };
}

/** Who asks a resource's own policy: an ARN of an identity, or of an account's root, or a service. */
export type Principal = { readonly AWS: string } | { readonly Service: string };

/** What a key's, a topic's or a queue's own policy says to a principal. `Resource` `*` is that resource itself. */
export function decideForPrincipal(
  statements: readonly Statement[],
  principal: Principal,
  request: Request,
): Decision {
  return decide(
    statements.filter(({ Principal }) => namesPrincipal(Principal, principal)),
    request,
  );
}

const KNOWN = new Set(['Sid', 'Effect', 'Action', 'NotAction', 'Resource', 'Principal', 'Condition']);

function matchOf(statement: Statement, { action, resource, context }: Request): Match | undefined {
  const stranger = Object.keys(statement).find((element) => !KNOWN.has(element));
  if (stranger !== undefined) throw new Error(`This evaluator does not know the element ${stranger}.`);
  const { Action, NotAction, Resource, Condition = {} } = statement;
  const holds = conditionsHold(Condition, context);
  // The case of actions does not matter; that of ARNs does.
  const sameAction = (pattern: string) => matchesPattern(action.toLowerCase(), pattern.toLowerCase());
  const byAction =
    NotAction === undefined
      ? [Action ?? []].flat().find(sameAction)
      : [NotAction].flat().some(sameAction)
        ? undefined
        : action;
  const byResource = [Resource ?? []].flat().find((pattern) => matchesPattern(resource, pattern));
  if (!holds || byAction === undefined || byResource === undefined) return undefined;
  return { statement, action: byAction, resource: byResource };
}

function namesPrincipal(element: unknown, principal: Principal): boolean {
  if (element === '*') return true;
  const named = (kind: 'AWS' | 'Service') =>
    [(element as Partial<Record<string, unknown>>)?.[kind] ?? []].flat();
  if ('Service' in principal) return named('Service').includes(principal.Service);
  const [, account] = /^arn:[^:]+:iam::(\d{12}):/.exec(principal.AWS) ?? [];
  return named('AWS').some(
    (one) =>
      one === '*' ||
      one === principal.AWS ||
      one === account ||
      new RegExp(`:iam::${account}:root$`).test(String(one)),
  );
}
