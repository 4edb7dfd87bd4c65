import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GetFunctionConfigurationCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import { CliError } from './cli-error.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
/** Beside the built command line, or at the root of the repository. */
const manifest = ['../package.json', '../../package.json'].map((path) => join(here, path)).find(existsSync);

/** The version of this command line. */
export const VERSION: string = JSON.parse(readFileSync(manifest ?? '', 'utf8')).version;

/** The last version whose function did not say its own. */
const UNSAID = { version: '0.1.0', description: 'Keeps OAuth access tokens fresh' };

/** The version of a function whose stack does not say it: its description does. Undefined where that can't be read. */
export async function versionOf(lambda: LambdaClient, FunctionName: string): Promise<string | undefined> {
  try {
    const { Description = '' } = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName }));
    if (Description === UNSAID.description) return UNSAID.version;
    return /\(oauth-token-refresher (\S+)\)$/.exec(Description)?.[1];
  } catch {
    // Nobody needs this permission to invoke it. What else is wrong shows in what comes next.
    return undefined;
  }
}

/**
 * Refuses a function of another major version: one might write what the other misreads. As in semver's ranges, 0.2 and 0.3 count
 * as major versions. An unknown version is let pass.
 *
 * @param own this command line's
 * @throws CliError with the version to use instead
 */
export function requireSameMajor(functionName: string, version: string | undefined, own = VERSION): void {
  const [theirs, ours] = [majorOf(version), majorOf(own)];
  if (theirs === undefined || ours === undefined || theirs.text === ours.text) return;
  const older = theirs.order < ours.order;
  throw new CliError(
    'OTHER_VERSION',
    [
      `The function ${functionName} has version ${version}, and this command line ${own}: they don't go together, so nothing was done.`,
      `Use the command line of that version: npx oauth-token-refresher@${theirs.text}${older ? ', or deploy the newer function first (docs/upgrading.md)' : ''}.`,
    ].join(' '),
  );
}

function majorOf(version = ''): { readonly text: string; readonly order: number } | undefined {
  const [, major, minor] = /^(\d{1,6})\.(\d{1,6})\.\d/.exec(version) ?? [];
  if (major === undefined) return undefined;
  const text = major === '0' ? `0.${minor}` : major;
  return { text, order: Number(major) * 1e6 + (major === '0' ? Number(minor) : 0) };
}
