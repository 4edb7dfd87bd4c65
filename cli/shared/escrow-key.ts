import { GetFunctionConfigurationCommand } from '@aws-sdk/client-lambda';
import { LOCAL_ESCROW_KEY } from '../../local/clients.ts';
import type { Fleet } from './fleet.ts';

/** The KMS key of the fleet's escrow, as the stack or the function names it; undefined where there is none. */
export async function escrowKeyOf({
  kind,
  outputs,
  lambda,
  functionName,
}: Pick<Fleet, 'kind' | 'outputs' | 'lambda' | 'functionName'>): Promise<string | undefined> {
  if (kind === 'local') return LOCAL_ESCROW_KEY;
  if (outputs.EscrowKeyArn !== undefined) return outputs.EscrowKeyArn;
  const { Environment } = await lambda.send(
    new GetFunctionConfigurationCommand({ FunctionName: functionName }),
  );
  return Environment?.Variables?.ESCROW_KEY_ID || undefined;
}
