import { parseArgs } from 'node:util';
import { MARK, PREFIX, STACK } from './names.ts';
import { deploy, destroy, existingStack } from './stack.ts';
import { STEPS } from './steps.ts';
import { beginTrial } from './trial.ts';

/**
 * Shows on a real AWS account that what is deployed keeps its promises, and leaves nothing there:
 * `npm run smoke -- --yes`. Against an emulator (`AWS_ENDPOINT_URL`) it shows what an emulator can:
 * test/smoke/rehearsal.ts.
 */
const EXIT = {
  /** All held, or all is destroyed. */
  held: 0,
  broken: 1,
  /** Nothing was done. */
  notBegun: 2,
  /** Something is still there. */
  leftBehind: 3,
  interrupted: 130,
} as const;

const PLAN = `This deploys ${STACK} into your AWS account and Region: the stack as it ships, a small OAuth provider
behind a public function URL, and two accounts. It then
${STEPS.map(({ says, onlyOnAws }, index) => `${String(index + 1).padStart(3)}. ${says}${onlyOnAws ? ' (no emulator shows this)' : ''}`).join('\n')}
and destroys everything again, also after a failure or Ctrl-C. Only what has the tag ${MARK} is deleted;
three keys wait 30 days for their deletion, which costs nothing.

It takes about 15 minutes and costs less than $0.10. It needs credentials that may deploy, a Region, and once before
"npm exec -- cdk bootstrap".

  npm run smoke -- --yes       go ahead
  npm run smoke -- --destroy   only delete what an earlier trial left
  exit codes: 0 all held, 1 something did not, 2 nothing was done, 3 something is still there, 130 stopped by Ctrl-C
`;

const LEFT = `It still costs money. Delete it: npm run smoke -- --destroy`;

async function main(): Promise<number> {
  const { yes = false, destroy: onlyDestroy = false } = options();
  if (yes === onlyDestroy) {
    console.log(PLAN);
    console.error(yes ? 'Choose one of --yes and --destroy.' : 'Nothing was done. Add --yes.');
    return EXIT.notBegun;
  }
  const found = await existingStack();
  if (found === 'foreign') {
    console.error(
      `There is a stack ${STACK} that no trial made. Nothing was done; rename or delete it first.`,
    );
    return EXIT.notBegun;
  }
  if (onlyDestroy) return (await destroyAll()) ? EXIT.held : EXIT.leftBehind;
  if (found === 'a trial') {
    console.error(
      `There is a stack ${STACK} already: another trial runs, or one left it. If none runs: npm run smoke -- --destroy`,
    );
    return EXIT.notBegun;
  }
  return await trial();
}

function options() {
  const known = { yes: { type: 'boolean' }, destroy: { type: 'boolean' } } as const;
  return parseArgs({ options: known }).values;
}

async function trial(): Promise<number> {
  const stopping = new AbortController();
  let stoppedAt = 0;
  const stop = () => {
    if (stoppedAt === 0) {
      stoppedAt = Date.now();
      console.error('\nStopping, and destroying what is there. Ctrl-C again leaves it there.');
      stopping.abort(new Error('stopped by Ctrl-C'));
      // Under npm one Ctrl-C comes twice: from the terminal and from npm.
    } else if (Date.now() - stoppedAt > 1_000) {
      console.error(`\nStopped before ${STACK} was destroyed. ${LEFT}`);
      process.exit(EXIT.leftBehind);
    }
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  let allHeld = false;
  try {
    allHeld = await run(stopping.signal);
  } catch (error) {
    console.error(`✗ ${textOf(error)}`);
  }
  const isGone = await destroyAll();
  if (!isGone) return EXIT.leftBehind;
  if (stopping.signal.aborted) return EXIT.interrupted;
  return allHeld ? EXIT.held : EXIT.broken;
}

const isEmulated = process.env.AWS_ENDPOINT_URL !== undefined;

/** @returns whether all steps held */
async function run(signal: AbortSignal): Promise<boolean> {
  const began = Date.now();
  console.log(`Deploying ${STACK}, which takes minutes …`);
  await deploy(signal);
  row('✓', 'The stack is deployed', `${Math.round((Date.now() - began) / 1000)} s`);
  const trial = await beginTrial(signal);
  let broken = 0;
  for (const [index, { says, onlyOnAws = false, isNeeded = false, run }] of STEPS.entries()) {
    if (onlyOnAws && isEmulated) {
      row('–', says, 'only AWS can show this');
      continue;
    }
    try {
      row('✓', says, await run(trial));
    } catch (error) {
      row('✗', says, textOf(error));
      broken++;
      if (signal.aborted || isNeeded) {
        for (const { says } of STEPS.slice(index + 1)) row('–', says, 'not tried');
        return false;
      }
    }
  }
  if (isEmulated)
    console.log(
      "Only AWS shows besides: that the stack's permissions are enough, that a resource policy is obeyed (ours was played), and the function URL.",
    );
  return broken === 0;
}

/** @returns whether all is gone */
async function destroyAll(): Promise<boolean> {
  console.log(`Destroying ${STACK} and all secrets of trials (${PREFIX}…), which takes minutes …`);
  try {
    await destroy();
    row('✓', 'Everything is destroyed', '');
    return true;
  } catch (error) {
    row('✗', 'Everything is destroyed', textOf(error));
    console.error(LEFT);
    return false;
  }
}

const WIDEST = Math.max(...STEPS.map(({ says }) => says.length));

function row(mark: '✓' | '✗' | '–', says: string, seen: string): void {
  console.log(`${mark} ${says.padEnd(WIDEST)}  ${seen}`.trimEnd());
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'CredentialsProviderError')
    return 'No AWS credentials were found. Sign in (aws sso login, or set AWS_PROFILE).';
  if (/region is missing/i.test(error.message)) return 'No AWS Region is set: export AWS_REGION=…';
  return error.message;
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(textOf(error));
  return EXIT.notBegun;
});
