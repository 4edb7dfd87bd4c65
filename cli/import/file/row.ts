/** The problem of one field, and what is allowed. Never a token. */
export interface Problem {
  readonly field: string;
  readonly text: string;
  /** If many rows have this problem, these words tell it once. */
  readonly together?: string;
}

/** One row of a file, before anything in it is believed. */
export interface Row {
  /** Where it is, from 1; where a row of CSV has several lines, its last one. */
  readonly line: number;
  readonly values: Readonly<Record<string, unknown>>;
  readonly cells: 'csv' | 'json';
  /** Why the whole row can't be used. */
  readonly problem?: string;
  /** Of a row that could not be read, the texts in it: one of them may be a refresh token. */
  readonly texts?: readonly string[];
  /** The function does not look at this account. */
  readonly passedOver?: true;
  /** The profile's name in ServiceNow, and whether `--map` says what it is here. */
  readonly profileThere?: { readonly name: string; readonly mapped: boolean };
}

/** A row that is longer is an unclosed quote, or not an account. */
export const MAX_ROW_CHARACTERS = 1024 * 1024;

export const TOO_LONG = 'is longer than 1 MB';
