/** Exit codes. Documented in docs/cli.md and in `--help`. */
export const EXIT = {
  done: 0,
  /** It was tried and did not work. */
  failed: 1,
  /** The command line can't be understood. */
  usage: 2,
  /** It worked, and an account or the fleet needs attention. */
  attention: 3,
  /** The person stopped it (128 + SIGINT). */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A command can't do what it was asked. The message says what to do next, and never holds a secret. */
export class CliError extends Error {
  override readonly name = 'CliError';
  /** Stable, for scripts: `--json` prints it. */
  readonly code: string;
  readonly exitCode: ExitCode;

  constructor(code: string, message: string, exitCode: ExitCode = EXIT.failed) {
    super(message);
    this.code = code;
    this.exitCode = exitCode;
  }
}
