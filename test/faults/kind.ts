import type fc from 'fast-check';

/** One kind of hostile input: how it is made, and what has to hold whatever it is. */
export interface Kind<Input = unknown> {
  readonly name: string;
  /** How much of all inputs is of this kind. */
  readonly weight: number;
  readonly inputs: fc.Arbitrary<Input>;
  /** @returns what did not hold, with the input */
  check(batch: readonly Input[]): Promise<readonly string[]>;
  /** After all batches. @returns what did not hold of all of them together */
  end?(): Promise<readonly string[]>;
  /** What to tell of it, beside what is broken. */
  remarks?(): readonly string[];
}
