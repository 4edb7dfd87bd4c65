import type { LogFields } from '../log-fields.ts';

/** A field that is not described in `LOG_FIELDS` can't be logged: it doesn't compile. */
type Described<Fields> = Fields & { readonly [Field in Exclude<keyof Fields, keyof LogFields>]: never };

type Write = <Fields extends LogFields>(message: string, fields?: Described<Fields>) => void;

/** Where the function's own lines go. Errors are never handed over whole: their `cause` may hold tokens. */
export type Log = Readonly<Record<'debug' | 'info' | 'warn' | 'error', Write>>;
