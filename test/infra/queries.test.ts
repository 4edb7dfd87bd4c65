import { describe, expect, test } from 'vitest';
import { LOG_QUERIES } from '../../infra/monitoring/queries.ts';
import { LOG_FIELDS } from '../../lambda/attempt/log.ts';
import { templateOf, widgetsOf } from '../support/synthesized.ts';

const template = templateOf();
const queries = Object.values(LOG_QUERIES);

/** The words of the language, and the fields that CloudWatch Logs adds itself. */
const WORDS = new Set(
  'fields filter stats sort display limit and or by as asc desc ispresent latest earliest count count_distinct pct max @timestamp'.split(
    ' ',
  ),
);

/** The fields of the log that a query reads: neither words of the language, nor text, numbers and names of its own. */
function fieldsOf(lines: readonly string[]): string[] {
  const text = lines.join('\n').replaceAll(/"[^"]*"/g, '');
  const own = new Set([...text.matchAll(/ as (\w+)/g)].map(([, name = '']) => name));
  const names = [...text.matchAll(/@?[a-z_]\w*/gi)].map(([name]) => name);
  return [...new Set(names)].filter((name) => !WORDS.has(name) && !own.has(name));
}

describe('a saved query', () => {
  test.each(queries)('$name asks only for fields that lines have', ({ lines }) => {
    const fields = fieldsOf(lines);
    expect(fields.length).toBeGreaterThan(1);
    expect(fields.filter((name) => !(name in LOG_FIELDS))).toEqual([]);
  });

  test.each(queries)('$name is in the stack, under the name of the service, over its log group', ({
    name,
    lines,
  }) => {
    const [logGroup] = Object.keys(template.findResources('AWS::Logs::LogGroup'));
    template.hasResourceProperties('AWS::Logs::QueryDefinition', {
      Name: `Test-Refresher/${name}`,
      QueryString: lines.join('\n| '),
      LogGroupNames: [{ Ref: logGroup }],
    });
  });

  test('is the same on the dashboard', () => {
    const shown = widgetsOf(template).flatMap(({ properties: { query } }) => query ?? []);
    const { failuresByProfile, slowProviders, needsAPerson } = LOG_QUERIES;
    const expected = [failuresByProfile, slowProviders, needsAPerson];
    expect(shown.map((query) => query.replace(/^SOURCE '[^']*' \| /, ''))).toEqual(
      expected.map(({ lines }) => lines.join('\n| ')),
    );
  });

  test('costs no metric: none has a dimension but the service', () => {
    const dimensions = widgetsOf(template)
      .flatMap(({ properties }) => properties.metrics ?? [])
      .filter(([namespace]) => namespace === 'OAuthTokenRefresher')
      .map((metric) => metric.slice(2, -1));
    expect(dimensions.length).toBeGreaterThan(10);
    expect(dimensions.filter(([name, , ...more]) => name !== 'service' || more.length > 0)).toEqual([]);
  });
});
