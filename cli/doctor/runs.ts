import { paginateFilterLogEvents } from '@aws-sdk/client-cloudwatch-logs';
import { DescribeRuleCommand } from '@aws-sdk/client-eventbridge';
import { GetFunctionConcurrencyCommand } from '@aws-sdk/client-lambda';
import { GetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import { parseJsonObject } from '../../core/json-object.ts';
import { readEnvironment } from '../../lambda/environment.ts';
import { plural } from '../../terminal/display-text.ts';
import { duration } from '../../terminal/fleet-table.ts';
import { logGroupOf } from '../logs/function-settings.ts';
import { type LoggedRun, lateAfter, scheduledRuns, scheduleOf } from '../shared/scheduled-runs.ts';
import {
  attention,
  broken,
  type Check,
  errorName,
  type Finding,
  good,
  notApplicable,
  type Patient,
} from './check.ts';

/** Is the function right, is it fired, and does it run? */
export const runChecks: readonly Check[] = [
  {
    title: 'Function',
    needs: 'lambda:GetFunctionConfiguration and lambda:GetFunctionConcurrency',
    run: checkFunction,
  },
  { title: 'Rules', needs: 'events:DescribeRule', run: checkRules },
  { title: 'Last run', needs: "logs:FilterLogEvents on the function's log group", run: checkLastRun },
  { title: 'Its clock', needs: "logs:FilterLogEvents on the function's log group", run: checkItsClock },
  {
    title: 'Dead letters',
    needs: 'sqs:GetQueueAttributes',
    run: async ({ fleet, queues }) => {
      const QueueUrl = fleet.outputs.DeadLetterQueueUrl;
      if (QueueUrl === undefined) return notApplicable(absent(fleet.kind, 'queue'));
      const { Attributes } = await queues.send(
        new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['ApproximateNumberOfMessages'] }),
      );
      const count = Number(Attributes?.ApproximateNumberOfMessages ?? 0);
      return count === 0
        ? good('the queue is empty')
        : attention(
            `${plural(count, 'event')} that the function could not take`,
            `Read the errors in its log; each minute's run makes up for them, so then purge the queue.`,
          );
    },
  },
];

const absent = (kind: 'aws' | 'local', what: string) =>
  kind === 'local' ? `the local system has no ${what}` : `no stack is named, so the ${what} is not known`;

/** A table may also be named by its ARN. */
const nameOf = (table: string) => table.split('/').at(-1);

async function checkFunction({ fleet, configuration }: Patient): Promise<readonly Finding[]> {
  if (fleet.kind === 'local') return [notApplicable('the local system makes it anew at each start')];
  const found = await configuration().catch((error: unknown) => {
    if (errorName(error) === 'ResourceNotFoundException') return undefined;
    throw error;
  });
  if (found === undefined)
    return [
      broken(`${fleet.functionName} does not exist`, 'Deploy the stack, or name another with --function.'),
    ];
  const { State, StateReason = '', Environment } = found;
  const findings: Finding[] = [];
  if (State !== undefined && State !== 'Active')
    findings.push(
      broken(`is ${State}. ${StateReason}`.trim(), 'Deploy the stack again; see docs/deploy.md.'),
    );
  const variables = Environment?.Variables ?? {};
  const again = 'Correct its environment, or deploy the stack again.';
  try {
    const { accountsTableName, secretNamePrefix, escrowKeyId, addresses } = readEnvironment(variables);
    if (nameOf(accountsTableName) !== nameOf(fleet.tableName))
      findings.push(broken(`uses another table, ${accountsTableName}`, again));
    if (secretNamePrefix !== fleet.secretNamePrefix)
      findings.push(broken(`uses another prefix, ${secretNamePrefix}`, again));
    if (escrowKeyId === undefined) findings.push(broken('has no ESCROW_KEY_ID', again));
    if (addresses.allowHttpLoopback)
      findings.push(attention('has ALLOW_HTTP_LOOPBACK set, which is for one machine only', again));
  } catch (error) {
    if (errorName(error) !== 'InvalidEnvironment') throw error;
    findings.push(broken((error as Error).message, again));
  }
  const FunctionName = fleet.functionName;
  const { ReservedConcurrentExecutions: reserved } = await fleet.lambda.send(
    new GetFunctionConcurrencyCommand({ FunctionName }),
  );
  if (reserved === 0)
    findings.push(
      broken(
        'its reserved concurrency is 0, so it never runs',
        `Let it run: aws lambda delete-function-concurrency --function-name ${FunctionName}`,
      ),
    );
  return findings.length > 0
    ? findings
    : [good(`${FunctionName} is active and configured as the stack says`)];
}

async function checkRules({ fleet, rules }: Patient): Promise<readonly Finding[]> {
  const names = (fleet.outputs.RuleNames ?? '').split(',').filter(Boolean);
  if (names.length === 0)
    return [
      notApplicable(fleet.kind === 'local' ? 'npm start fires the function itself' : absent('aws', 'rule')),
    ];
  return await Promise.all(
    names.map(async (Name) => {
      try {
        const { State, ScheduleExpression = '' } = await rules.send(new DescribeRuleCommand({ Name }));
        if (State === 'ENABLED') return good(`${Name} is enabled, ${ScheduleExpression}`);
        return broken(
          `${Name} is ${State}: nothing fires the function`,
          `Enable it: aws events enable-rule --name ${Name}`,
        );
      } catch (error) {
        if (errorName(error) !== 'ResourceNotFoundException') throw error;
        return broken(`${Name} does not exist: nothing fires the function`, 'Deploy the stack again.');
      }
    }),
  );
}

async function checkLastRun(patient: Patient): Promise<Finding> {
  const { fleet, logs, now } = patient;
  const at = now() / 1000;
  const since = await sinceWhen(patient);
  let latest: LoggedRun | undefined;
  for await (const run of scheduledRuns(
    logs,
    logGroupOf(await patient.configuration(), fleet.functionName),
    since,
  ))
    if (run.at >= (latest?.at ?? 0)) latest = run;
  if (latest?.result?.incomplete)
    return attention(
      `a run finished ${duration(at - latest.at)} ago, and had no time to read the whole table`,
      'If this stays so: raise the timeout, or add segments. docs/runbook.md#more-work-than-time',
    );
  if (latest !== undefined) return good(`a run finished ${duration(at - latest.at)} ago`);
  return broken(
    `no run has finished in the last ${duration(at - since)}`,
    fleet.kind === 'local'
      ? 'Look into the log of the function, logs/function.log in the data directory.'
      : 'See Rules and Function here, and read the errors in the log of the function.',
  );
}

/** What runs have found by the dates of the providers' responses. */
async function checkItsClock(patient: Patient): Promise<Finding> {
  const request = {
    logGroupName: logGroupOf(await patient.configuration(), patient.fleet.functionName),
    startTime: (await sinceWhen(patient)) * 1000,
    filterPattern: '"clockAheadSeconds"',
  };
  let seconds: number | undefined;
  for await (const { events = [] } of paginateFilterLogEvents({ client: patient.logs }, request))
    for (const { message = '' } of events) {
      const found = parseJsonObject(message)?.clockAheadSeconds;
      if (typeof found === 'number') seconds = found;
    }
  if (seconds === undefined) return good("it agrees with the dates of the providers' responses");
  return attention(
    `by the dates of the providers' responses the function is ${duration(Math.abs(seconds))} ${seconds > 0 ? 'ahead' : 'behind'}`,
    'See docs/runbook.md#the-clock-is-wrong.',
  );
}

/** Seconds since the epoch: a run that ended before is too long ago. */
async function sinceWhen({ fleet, rules, now }: Patient): Promise<number> {
  return Math.floor(now() / 1000 - lateAfter(await scheduleOf(fleet, rules)));
}
