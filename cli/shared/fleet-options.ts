export interface FleetOptions {
  readonly local?: boolean;
  readonly data?: string;
  readonly stack?: string;
  readonly construct?: string;
  readonly region?: string;
  readonly table?: string;
  readonly prefix?: string;
  readonly function?: string;
}

export const DEFAULT_STACK = 'OAuthTokenRefresher-prod';

/** The environment variables that name the fleet where no option does. AWS_REGION names its Region, as for every tool of AWS. */
export const STACK_VARIABLE = 'OAUTH_TOKEN_REFRESHER_STACK';
export const CONSTRUCT_VARIABLE = 'OAUTH_TOKEN_REFRESHER_CONSTRUCT';

type Environment = Readonly<Record<string, string | undefined>>;

/** How the fleet was chosen. */
export interface Choice {
  /** The options, with what the variables name. */
  readonly options: FleetOptions;
  /** What decided: somebody who named it, or nobody. */
  readonly by: 'an option' | 'a variable' | 'nobody';
  /** For people: a variable that an option overrules. Undefined: none. */
  readonly overruled?: string;
}

/**
 * Completes the options by the environment's variables. An option wins over a variable. The construct's variable counts
 * only with the stack's, whose it is. An empty one counts as none.
 */
export function chooseFleet(options: FleetOptions, env: Environment): Choice {
  const stack = env[STACK_VARIABLE] || undefined;
  const construct = stack === undefined ? undefined : env[CONSTRUCT_VARIABLE] || undefined;
  const { local, data, stack: named, table, function: functionName } = options;
  const other =
    local === true || data !== undefined
      ? '--local'
      : named !== undefined && named !== stack
        ? '--stack'
        : // Both together need no stack.
          named === undefined && table !== undefined && functionName !== undefined
          ? '--table'
          : undefined;
  if (other !== undefined)
    return {
      options,
      by: 'an option',
      ...(stack !== undefined && { overruled: overruling(stack, other) }),
    };
  const [stackName, constructId] = [named ?? stack, options.construct ?? construct];
  const completed = {
    ...options,
    ...(stackName !== undefined && { stack: stackName }),
    ...(constructId !== undefined && { construct: constructId }),
  };
  const by = named !== undefined ? 'an option' : stack !== undefined ? 'a variable' : 'nobody';
  return { options: completed, by };
}

/** @param option what wins over the variable */
export function overruling(stack: string, option: string): string {
  return `${STACK_VARIABLE} names ${stack}, but ${option} wins`;
}
