import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectRoot } from '../../build/project.ts';

/** One shell, as an operator has it open: what is pasted first stays defined. */
export interface Shell {
  /** @returns what it printed on both streams, and the exit code of the last line that failed; 3 says that something needs attention */
  paste(text: string): Promise<{ readonly code: number; readonly printed: string }>;
  close(): void;
}

/**
 * What can't be as on the operator's machine: an emulator has no change sets; the checkout must stay; and nobody waits
 * for minutes. Everything else is run as it stands.
 */
const STANDS_IN = `
npm() {
  case "$*" in
    'exec -- cdk deploy'*)
      command npm $(echo "$@" | sed 's/--revert-drift//') --require-approval never --method=direct --no-previous-parameters || return
      case "$*" in *--revert-drift*) curl -sS "$AWS_ENDPOINT_URL/drift-is-reverted" ;; esac ;;
    ci) ;;
    *) command npm "$@" ;;
  esac
}
aws() {
  # Version 1 asks AWS's own address for queues, whatever the environment says.
  case "$1" in sqs) command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@" ;; *) command aws "$@" ;; esac
}
git() { [ "$1" = checkout ]; }
sleep() { command sleep "$(( $1 > 2 ? 2 : $1 ))"; }
`;

/** @param directory for files of its own */
export function openShell(directory: string, environment: Readonly<Record<string, string>>): Shell {
  const bash = spawn('bash', ['--norc'], {
    cwd: projectRoot,
    env: { ...process.env, ...environment },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ends = createInterface({ input: bash.stdout })[Symbol.asyncIterator]();
  const [file, output] = [join(directory, 'pasted.sh'), join(directory, 'printed')];
  bash.stdin.write(STANDS_IN);
  return {
    paste: async (text) => {
      writeFileSync(file, `${text}\n`);
      // A program that reads the terminal finds nothing typed.
      bash.stdin.write(
        `failed=0; trap 'code=$?; [ $code = 3 ] || failed=$code' ERR; . '${file}' > '${output}' 2>&1 < /dev/null; trap - ERR; echo "$failed"\n`,
      );
      const { value, done } = await ends.next();
      if (done) throw new Error('The shell has ended.');
      return { code: Number(value), printed: readFileSync(output, 'utf8') };
    },
    close: () => bash.stdin.end(),
  };
}
