import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { KMSClient } from '@aws-sdk/client-kms';
import { GetFunctionConfigurationCommand } from '@aws-sdk/client-lambda';
import { SQSClient } from '@aws-sdk/client-sqs';
import { createHttpsClient } from '../../adapters/oauth/https-request.ts';
import { wrapTo } from '../../terminal/display-text.ts';
import { printable } from '../../terminal/printable.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import { EXIT, type ExitCode } from '../shared/cli-error.ts';
import type { Context } from '../shared/command.ts';
import type { Fleet } from '../shared/fleet.ts';
import { accountChecks, takeCensus } from './accounts.ts';
import { type Check, examine, good, type Patient, type Told } from './check.ts';
import { runChecks } from './runs.ts';
import { storeChecks } from './stores.ts';

const checks: readonly Check[] = [
  {
    title: 'Fleet',
    needs: 'cloudformation:DescribeStacks',
    run: async ({ fleet }) => good(fleet.label),
  },
  ...storeChecks,
  ...runChecks,
  ...accountChecks,
];

export async function doctor({ fleet: find, terminal, signal }: Context): Promise<ExitCode> {
  const fleet = await find();
  const https = createHttpsClient(fleet.addresses);
  const patient = patientOf(fleet, https.send);
  const told: Told[] = [];
  for (const check of checks) {
    signal.throwIfAborted();
    terminal.progress(`Checking: ${check.title}`);
    const findings = await examine(check, patient);
    told.push(...findings);
  }
  https.close();
  terminal.result(reportOf(told, terminal), { findings: told });
  return exitCodeOf(told);
}

/** @param now milliseconds since the epoch */
export function patientOf(fleet: Fleet, send: Patient['send'], now: () => number = Date.now): Patient {
  return {
    fleet,
    kms: new KMSClient(fleet.config),
    rules: new EventBridgeClient(fleet.config),
    logs: new CloudWatchLogsClient(fleet.config),
    queues: new SQSClient(fleet.config),
    send,
    now,
    configuration: once(async () =>
      fleet.kind === 'local'
        ? undefined
        : await fleet.lambda.send(new GetFunctionConfigurationCommand({ FunctionName: fleet.functionName })),
    ),
    census: once(() => takeCensus(fleet)),
  };
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

function exitCodeOf(told: readonly Told[]): ExitCode {
  const has = (...kinds: Told['kind'][]) => told.some(({ kind }) => kinds.includes(kind));
  if (has('attention', 'broken')) return EXIT.attention;
  return has('unknown') ? EXIT.failed : EXIT.done;
}

const MARKS = {
  good: ['✓', 'green'],
  attention: ['!', 'yellow'],
  broken: ['✗', 'red'],
  unknown: ['?', 'magenta'],
  not_applicable: ['–', 'dim'],
} as const;

function reportOf(told: readonly Told[], terminal: Terminal): string {
  const column = Math.max(...told.map(({ title }) => title.length)) + 2;
  const lines = told.flatMap((finding, index) => {
    const [mark, style] = MARKS[finding.kind];
    const again = finding.kind === 'good' && told[index - 1]?.title === finding.title;
    const title = again ? '' : finding.title;
    const head = `${terminal.paint(style, mark)} ${title.padEnd(column)}`;
    const text = wrapTo(printable(finding.text), terminal.width - column - 3);
    const todo = 'todo' in finding ? wrapTo(printable(finding.todo), terminal.width - column - 5) : [];
    const indent = ' '.repeat(column + 2);
    return [
      ...text.map((line, at) => (at === 0 ? head : indent) + line),
      ...todo.map((line, at) => `${indent}${at === 0 ? '→ ' : '  '}${line}`),
    ];
  });
  const wrong = told.filter(({ kind }) => kind === 'attention' || kind === 'broken').length;
  const unknown = told.filter(({ kind }) => kind === 'unknown').length;
  const sums = [
    ...(wrong > 0 ? [`${wrong} ${wrong === 1 ? 'thing needs' : 'things need'} attention`] : []),
    ...(unknown > 0 ? [`${unknown} could not be checked`] : []),
  ];
  return [...lines, '', sums.length === 0 ? 'All is well.' : `${sums.join(', ')}.`].join('\n');
}
