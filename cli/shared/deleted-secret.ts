import { CliError } from './cli-error.ts';

/** How a secret that waits for its deletion is brought back, as a command. */
export function restoreCommand(secretId: string, region?: string): string {
  const where = region === undefined ? '' : ` --region ${region}`;
  return `aws secretsmanager restore-secret${where} --secret-id ${secretId}`;
}

export function waitsForDeletion(code: string, what: string, secretId: string, region?: string): CliError {
  return new CliError(
    code,
    `${what}: its secret ${secretId} waits for its deletion. Restore it: ${restoreCommand(secretId, region)}`,
  );
}
