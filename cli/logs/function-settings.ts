import { type FunctionConfiguration, GetFunctionConfigurationCommand } from '@aws-sdk/client-lambda';
import type { Fleet } from '../shared/fleet.ts';

/** What the function's configuration says. Times in seconds. */
export interface FunctionSettings {
  readonly logGroupName: string;
  /** How long a run may take; undefined where the configuration doesn't say. */
  readonly timeout: number | undefined;
  /** A token that ends within it is due. */
  readonly refreshWindow: number;
  readonly memoryGigabytes: number;
}

const DEFAULT_WINDOW = 300;
const DEFAULT_MEGABYTES = 512;

/** Reads the function's configuration. Rejects with the SDK's error. */
export async function readFunctionSettings({ lambda, functionName }: Fleet): Promise<FunctionSettings> {
  const configuration = await lambda.send(
    new GetFunctionConfigurationCommand({ FunctionName: functionName }),
  );
  const { Timeout, MemorySize, Environment } = configuration;
  const window = Number(Environment?.Variables?.REFRESH_WINDOW_SECONDS ?? DEFAULT_WINDOW);
  return {
    logGroupName: logGroupOf(configuration, functionName),
    timeout: Timeout,
    refreshWindow: Number.isFinite(window) && window > 0 ? window : DEFAULT_WINDOW,
    memoryGigabytes: (MemorySize ?? DEFAULT_MEGABYTES) / 1_024,
  };
}

/** The log group that a function's configuration names, or the usual one. */
export function logGroupOf(
  configuration: Pick<FunctionConfiguration, 'LoggingConfig'> | undefined,
  functionName: string,
): string {
  return configuration?.LoggingConfig?.LogGroup ?? `/aws/lambda/${functionName}`;
}
