import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startAuthorizationServer } from '../../local/authorization-server/server.ts';
import { reportCounts } from '../faults/counts.ts';
import { startEmulatedAws } from './emulated-aws.ts';
import { firstDifference, stepsOf } from './transcript.ts';

/**
 * Follows README.md from an empty AWS account to the first fresh token, word for word, and compares what each command
 * prints with what the page shows: `EMULATOR_URL=http://localhost:5617 npm run test:newcomer`.
 * AWS is an emulator (moto), and test/deploy/person.ts is the person at the browser.
 */
const emulator = process.env.EMULATOR_URL;
if (emulator === undefined) {
  console.error('Run: moto_server -p 5617 & EMULATOR_URL=http://localhost:5617 npm run test:newcomer');
  process.exit(2);
}
// An empty account.
await fetch(`${emulator}/moto-api/reset`, { method: 'POST' });
const root = fileURLToPath(new URL('../..', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'newcomer-'));
const client = {
  client_id: 'crm',
  client_secret: 'CANARY-client-secret',
  token_endpoint_auth_method: 'client_secret_basic',
} as const;
const server = await startAuthorizationServer({ clients: [{ ...client, accessTokenSeconds: 3_600 }] });
const aws = await startEmulatedAws({
  emulator,
  deployedModule: () => join(root, deployedAsset(), 'index.mjs'),
  environment: { ALLOW_HTTP_LOOPBACK: 'true' },
});
// The file that the page asks for.
writeFileSync(
  join(directory, 'profile.json'),
  JSON.stringify({ ...client, issuer: server.issuer, scope: 'openid offline_access' }),
);

let held = 0;
let broken = 0;
for (const { command, shown } of stepsOf(readFileSync(join(root, 'README.md'), 'utf8'))) {
  const { code, printed } = await run(command);
  const difference = code === 0 ? firstDifference(shown, printed) : `(exit code ${code})`;
  console.log(`${difference === undefined ? '✓' : '✗'} ${command}`);
  if (difference === undefined) held++;
  else {
    broken++;
    console.log(`  not printed: ${difference}\n${printed.map((line) => `  | ${line}`).join('\n')}`);
  }
}
await aws.close();
await server.close();
rmSync(directory, { recursive: true });
reportCounts(held, broken);
console.log(`${held} commands printed what the page shows, ${broken} did not`);
process.exitCode = broken === 0 && held > 0 ? 0 : 1;

/** Runs a command in a shell in the project's folder, as the newcomer does. */
function run(command: string): Promise<{ code: number | null; printed: string[] }> {
  return new Promise((resolve) => {
    const child = spawn('bash', ['-c', emulable(command)], {
      cwd: root,
      env: {
        ...process.env,
        ...aws.environment,
        ALLOW_HTTP_LOOPBACK: 'true',
        BROWSER: join(root, 'test/deploy/person.ts'),
        NO_COLOR: '1',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        text += chunk;
      });
    child.on('close', (code) => resolve({ code, printed: readable(text) }));
  });
}

/** The emulator has no change sets, and there is nobody to answer questions. */
function emulable(command: string): string {
  return command
    .replace('cdk deploy', 'cdk deploy --require-approval never --method=direct')
    .replaceAll('profile.json', join(directory, 'profile.json'));
}

function readable(text: string): string[] {
  const lines = text.replaceAll('\r', '').split('\n');
  // npm's own remarks depend on the machine.
  return lines.filter((line) => line.trim() !== '' && !/^npm (warn|notice)/.test(line));
}

function deployedAsset(): string {
  const assets = JSON.parse(readFileSync(join(root, 'cdk.out/OAuthTokenRefresher-prod.assets.json'), 'utf8'));
  const files = Object.values<{ source: { path: string; packaging: string } }>(assets.files);
  return join('cdk.out', files.find(({ source }) => source.packaging === 'zip')?.source.path ?? '');
}
