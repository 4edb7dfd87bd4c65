import type { AuthorizationRequest } from '../../adapters/authorization/authorization-request.ts';
import type { Consent } from '../../adapters/authorization/consent.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import { asCliError } from '../shared/authorization-error.ts';
import { CliError } from '../shared/cli-error.ts';
import { instruct } from './browser.ts';
import type { ConsentFlow } from './consent.ts';
import { type PastedLines, readPastes } from './pasted-lines.ts';

/** The browser ends here with `--paste`. Nothing listens on this port. */
export const PASTE_REDIRECT_URI = 'http://127.0.0.1:49151/callback';

/** How often it asks for the address. */
const MOST_TRIES = 5;

/** Consent in a browser anywhere: the person pastes the address at which it ended. */
export function pasteFlow(request: AuthorizationRequest, terminal: Terminal): ConsentFlow {
  let pastes: PastedLines | undefined;
  return {
    wait: async (signal) => {
      instruct(terminal, [
        'Open this address in any browser, and sign in there:',
        `  ${request.url}`,
        'At the end the browser is sent to an address that it may not be able to open;',
        'that is fine. Copy the whole address from its address bar, and',
        'paste it here.',
      ]);
      pastes = readPastes(terminal, signal);
      for (let tries = 1; ; tries++) {
        if (terminal.interactive) terminal.stderr.write('The address: ');
        const lines = await pastes.next();
        const length = lines?.join('').length ?? 0;
        // It holds the code, so the terminal does not show it.
        if (terminal.interactive) terminal.stderr.write(`(${length} characters)\n`);
        const judged = judge(lines ?? [], request);
        if (!(judged instanceof CliError)) return judged;
        if (lines === undefined || pastes.ended() || tries >= MOST_TRIES) throw judged;
        instruct(terminal, [
          judged.message.replace(/ (?:It was not used, and )?nothing has changed\..*$/i, ''),
          'Try once more:',
        ]);
      }
    },
    show: () => undefined,
    // What is pasted late must not be taken for a command by the shell.
    close: async () => await pastes?.close(),
  };
}

/** Errors that another paste can mend. */
const AGAIN = ['NOT_AN_ADDRESS', 'STATE_MISMATCH', 'ISSUER_MISMATCH', 'ANSWER_MALFORMED'];

/**
 * The consent in what was pasted, which may be broken into lines, or have other lines before it.
 *
 * @returns why there is none, where another paste may help
 * @throws CliError where none can
 */
function judge(lines: readonly string[], request: AuthorizationRequest): Consent | CliError {
  const joined = lines.map((_, from) => lines.slice(from).join(''));
  const read = [...joined, ...lines].map(responseIn);
  const ours = read.filter((one) => one.kind === 'response' && request.isOurs(one.parameters));
  const candidates = ours.length > 0 ? ours : read.filter((one) => one.kind !== 'nothing').slice(0, 1);
  let refusal: CliError | undefined;
  for (const candidate of candidates) {
    const judged = judgeOne(candidate, request);
    if (!(judged instanceof CliError)) return judged;
    refusal ??= judged;
  }
  return refusal ?? notAnAddress();
}

function judgeOne(read: Read, request: AuthorizationRequest): Consent | CliError {
  try {
    if (read.kind === 'response' && request.isResponse(read.parameters))
      return request.accept(read.parameters);
    if (read.kind !== 'code') return notAnAddress();
    return request.needsWholeResponse === undefined
      ? request.acceptCode(read.code)
      : notAnAddress(`Paste the whole address: ${request.needsWholeResponse}. `);
  } catch (thrown) {
    const error = asCliError(thrown);
    if (error instanceof CliError && AGAIN.includes(error.code)) return error;
    throw error;
  }
}

type Read =
  | { readonly kind: 'response'; readonly parameters: URLSearchParams }
  | { readonly kind: 'code'; readonly code: string }
  | { readonly kind: 'nothing' };

const NOTHING: Read = { kind: 'nothing' };

/** An address, its query, or the code alone, as it may come through mails, HTML and shells. */
function responseIn(pasted: string): Read {
  const text = pasted
    .replace(/\s+/g, '')
    .replace(/&(?:amp|#38|#x26);/gi, '&')
    .replace(/\\(?=[&?=])/g, '')
    // A code may begin with a character that lists use as a bullet.
    .replace(/^[^A-Za-z0-9?#/._~+-]+|["'`<>“”‘’]+$/g, '');
  const query =
    /[?#](.+=.+)$/.exec(text)?.[1] ?? (/^[\w.-]+=[^=]/.test(text) ? text.replace(/^[._-]+/, '') : undefined);
  if (query !== undefined)
    return { kind: 'response', parameters: new URLSearchParams(query.replace(/#.*$/, '')) };
  // A plain word is not a code: nearly every code has a digit.
  if (text.includes('://') || text.length < 10 || !/^(?=.*\d)[A-Za-z0-9._~+/%-]+={0,2}$/.test(text))
    return NOTHING;
  return { kind: 'code', code: decoded(text) };
}

function decoded(code: string): string {
  try {
    return decodeURIComponent(code);
  } catch {
    return code;
  }
}

function notAnAddress(hint = ''): CliError {
  return new CliError(
    'NOT_AN_ADDRESS',
    `That is not the address where the sign-in ended: the provider's response is missing. ${hint}Nothing has changed. Run the command again, and paste the whole address.`,
  );
}
