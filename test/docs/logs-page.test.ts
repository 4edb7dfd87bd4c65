import { expect, test } from 'vitest';
import { LOG_QUERIES } from '../../infra/monitoring/queries.ts';
import { ABOUT_METRICS } from '../../lambda/about-metrics.ts';
import { type AboutField, LOG_FIELDS } from '../../lambda/attempt/log.ts';
import { METRIC, METRIC_NAMESPACE } from '../../lambda/metric-names.ts';

const RENEW = 'npx vitest run test/docs/logs-page.test.ts --update';

const KINDS = {
  count: 'Counts: what each run did (`Sum`)',
  level: 'Levels: what each whole scan finds again (`Maximum`)',
  duration: 'Durations',
};

function metricLines(kind: keyof typeof KINDS): string[] {
  const lines = Object.entries(METRIC).flatMap(([key, name]) => {
    const about = ABOUT_METRICS[key as keyof typeof METRIC];
    return about.kind === kind ? [`- \`${name}\`: ${about.unit} ${about.meaning}`] : [];
  });
  return ['', `${KINDS[kind]}:`, '', ...lines];
}

/** `docs/logs.md` as the code has it. */
function page(): string {
  const fields: [string, AboutField][] = Object.entries(LOG_FIELDS);
  const queries = Object.values(LOG_QUERIES);
  return [
    '# Logs and metrics',
    "The function's own lines are JSON. Lambda adds lines of its own, which have a `type`.",
    '',
    '## Fields',
    'field | type | meaning | lines',
    '---|---|---|---',
    ...fields.map(([name, { type, unit, meaning, where }]) => {
      const kind = unit === undefined ? type : `${type}, ${unit}`;
      return `\`${name}\` | ${kind} | ${meaning} | ${where}`;
    }),
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
    ...queries.map(({ name, asks }) => `- \`${name}\`: ${asks}`),
    '',
  ].join('\n');
}

test(`docs/logs.md is what the code says; if not, "${RENEW}" writes it`, async () => {
  await expect(page(), `docs/logs.md is out of date. Renew it: ${RENEW}`).toMatchFileSnapshot(
    '../../docs/logs.md',
  );
});
