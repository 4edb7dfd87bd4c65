import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CloudFormationClient,
  DeleteStackCommand,
  DescribeStacksCommand,
  type Stack,
  waitUntilStackDeleteComplete,
} from '@aws-sdk/client-cloudformation';
import {
  DeleteSecretCommand,
  ListSecretsCommand,
  type SecretListEntry,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { projectRoot } from '../../build/project.ts';
import { MARK, PREFIX, STACK } from './names.ts';

/** What there is of an earlier trial, or of a stack of somebody else's that has its name. */
export async function existingStack(): Promise<'none' | 'a trial' | 'foreign'> {
  const stack = await describe();
  if (stack === undefined || stack.StackStatus === 'DELETE_COMPLETE') return 'none';
  return stack.Tags?.some(({ Key }) => Key === MARK) ? 'a trial' : 'foreign';
}

/** What the stack of a trial says of itself, by name. Empty if there is none. */
export async function stackOutputs(): Promise<Readonly<Record<string, string>>> {
  const { Outputs = [] } = (await describe()) ?? {};
  return Object.fromEntries(Outputs.map(({ OutputKey = '', OutputValue = '' }) => [OutputKey, OutputValue]));
}

async function describe(): Promise<Stack | undefined> {
  try {
    const { Stacks } = await new CloudFormationClient().send(new DescribeStacksCommand({ StackName: STACK }));
    return Stacks?.[0];
  } catch (error) {
    if (error instanceof Error && /does not exist/.test(error.message)) return undefined;
    throw error;
  }
}

/** Deploys the stack with the CDK. @throws Error with the end of what the CDK printed */
export async function deploy(signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const assembly = mkdtempSync(join(tmpdir(), 'smoke-'));
  const app = `"${process.execPath}" test/smoke/app.ts`;
  const options = ['--app', app, '--output', assembly, '--require-approval', 'never', '--method', 'direct'];
  try {
    await new Promise<void>((resolve, reject) => {
      const cdk = spawn(process.execPath, ['node_modules/aws-cdk/bin/cdk', 'deploy', ...options], {
        cwd: projectRoot,
        stdio: ['ignore', 'pipe', 'pipe'],
        // Ctrl-C reaches only us: we end it, and then destroy what it made.
        detached: true,
      });
      let printed = '';
      for (const stream of [cdk.stdout, cdk.stderr])
        stream.on('data', (chunk: Buffer) => {
          printed = (printed + chunk).slice(-4_000);
        });
      const stop = () => {
        if (cdk.pid !== undefined) process.kill(-cdk.pid, 'SIGTERM');
      };
      signal.addEventListener('abort', stop, { once: true });
      cdk.on('error', reject);
      cdk.on('close', (code) => {
        signal.removeEventListener('abort', stop);
        if (signal.aborted) reject(signal.reason);
        else if (code === 0) resolve();
        else reject(new Error(`cdk deploy ended with ${code}:\n${printed.trim()}`));
      });
    });
  } finally {
    rmSync(assembly, { recursive: true });
    if (signal.aborted) await mayAppear();
  }
}

/** A deployment that was stopped may have sent the call that creates the stack. */
async function mayAppear(): Promise<void> {
  for (let seconds = 0; seconds < 15 && (await existingStack()) === 'none'; seconds++) await sleep(1_000);
}

/** Deletes all that trials made, and nothing else. @throws Error if something stays */
export async function destroy(): Promise<void> {
  if ((await existingStack()) === 'a trial') {
    const client = new CloudFormationClient();
    await client.send(new DeleteStackCommand({ StackName: STACK }));
    await waitUntilStackDeleteComplete({ client, maxWaitTime: 1_800, minDelay: 2 }, { StackName: STACK });
  }
  // After the stack: its function writes them.
  const client = new SecretsManagerClient();
  for (const { ARN } of await ownSecrets(client))
    await client.send(new DeleteSecretCommand({ SecretId: ARN, ForceDeleteWithoutRecovery: true }));
}

async function ownSecrets(client: SecretsManagerClient): Promise<readonly SecretListEntry[]> {
  const found: SecretListEntry[] = [];
  let NextToken: string | undefined;
  do {
    const page = await client.send(
      new ListSecretsCommand({ Filters: [{ Key: 'name', Values: [PREFIX] }], NextToken }),
    );
    found.push(...(page.SecretList ?? []));
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  return found.filter(({ Tags = [] }) => Tags.some(({ Key }) => Key === MARK));
}
