import type { Logger } from '@aws-lambda-powertools/logger';

/** Where the function's own lines go. Errors are never handed over whole: their `cause` may hold tokens. */
export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;
