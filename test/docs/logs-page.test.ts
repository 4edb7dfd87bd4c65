import { expect, test } from 'vitest';
import { LOG_QUERIES } from '../../infra/monitoring/queries.ts';
import { ABOUT_METRICS } from '../../lambda/about-metrics.ts';
import { type AboutField, LOG_FIELDS } from '../../lambda/attempt/log.ts';
import { METRIC, METRIC_NAMESPACE } from '../../lambda/metric-names.ts';

const RENEW = 'npx vitest run test/docs/logs-page.test.ts --update';

const KINDS = {
  count: 'Counts of what each run did (`Sum`)',
  level: 'Levels, found anew by each whole scan (`Maximum`)',
  duration: 'Durations',
};

/** Text is the usual. */
function kindOf({ type, unit }: AboutField): string {
  if (unit !== undefined) return ` (${type}, ${unit})`;
  return type === 'text' ? '' : ` (${type})`;
}

function fieldLines(): string[] {
  const fields: [string, AboutField][] = Object.entries(LOG_FIELDS);
  return [...Map.groupBy(fields, ([, { where }]) => where)].flatMap(([where, own]) => [
    '',
    `**${where[0]?.toUpperCase()}${where.slice(1)}**`,
    ...own.map(([name, about]) => `- \`${name}\`${kindOf(about)}: ${about.meaning}`),
  ]);
}

function metricLines(kind: keyof typeof KINDS): string[] {
  const own = Object.entries(METRIC).filter(
    ([key]) => ABOUT_METRICS[key as keyof typeof METRIC].kind === kind,
  );
  const lines = own.map(([key, name]) => {
    const { meaning } = ABOUT_METRICS[key as keyof typeof METRIC];
    return `- \`${name}\`: ${meaning ?? `\`${key}\``}`;
  });
  return ['', `**${KINDS[kind]}**`, ...lines];
}

/** `docs/logs.md` as the code has it. */
function page(): string {
  return [
    '# Logs and metrics',
    "The function's lines are JSON; Lambda's own have a `type`.",
    '',
    '## Fields',
    'Text, unless it says something else.',
    ...fieldLines(),
    '',
    '## Metrics',
    `Namespace \`${METRIC_NAMESPACE}\`, one dimension: \`service\`. With several segments each run tells of its share.`,
    ...Object.keys(KINDS).flatMap((kind) => metricLines(kind as keyof typeof KINDS)),
    '',
    '## Traces',
    'X-Ray has subsegments `exchange` and `store`, with `accountId`, `oauthProfile` and `reason`',
    '([24](decisions/24-subsegments-by-hand.md)). `tracing: Tracing.DISABLED` turns them off.',
    '',
    '## Saved queries',
    "In CloudWatch Logs Insights, in the folder with the service's name. Replace what is in capitals.",
    '',
    ...Object.values(LOG_QUERIES).map(({ name, asks }) => `- \`${name}\`: ${asks}`),
    '',
  ].join('\n');
}

test('a metric without words is a field of the last line', () => {
  const wordless = Object.entries(ABOUT_METRICS).filter(([, { meaning }]) => meaning === undefined);
  expect(wordless.length).toBeGreaterThan(0);
  expect(wordless.filter(([key]) => !(key in LOG_FIELDS))).toEqual([]);
});

test(`docs/logs.md is what the code says; if not, "${RENEW}" writes it`, async () => {
  await expect(page(), `docs/logs.md is out of date. Renew it: ${RENEW}`).toMatchFileSnapshot(
    '../../docs/logs.md',
  );
});
