import { describe, expect, test } from 'vitest';
import { alarmsOf, templateOf, type Widget, widgetsOf } from '../support/synthesized.ts';

const template = templateOf();
const widgets = widgetsOf(template);

function overlap(a: Widget, b: Widget): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

describe('the dashboard', () => {
  test('has a title on every widget, no two alike', () => {
    const titles = widgets.map(({ properties }) => properties.title ?? '');
    expect(titles.filter((title) => title.length < 5)).toEqual([]);
    expect(new Set(titles).size).toBe(titles.length);
  });

  test('fits its 24 columns, without gaps in a row and without overlaps', () => {
    const rows = Map.groupBy(widgets, ({ y }) => y);
    for (const row of rows.values()) expect(row.reduce((sum, { width }) => sum + width, 0)).toBe(24);
    for (const one of widgets) {
      expect(one.x + one.width).toBeLessThanOrEqual(24);
      expect(widgets.filter((other) => other !== one && overlap(one, other))).toEqual([]);
    }
  });

  test('shows every alarm', () => {
    const shown = widgets.flatMap(({ properties }) => properties.alarms ?? []);
    expect(shown).toHaveLength(alarmsOf(template).size);
  });

  test('has a different name in each Region', () => {
    const [dashboard] = Object.values(template.findResources('AWS::CloudWatch::Dashboard'));
    expect(JSON.stringify(dashboard?.Properties.DashboardName)).toContain('AWS::Region');
  });

  test('adds up the shares of the table, for any period of a graph', () => {
    const metrics = widgetsOf(templateOf({ segments: 4 }))
      .filter(({ properties }) => properties.title === 'Need a person')
      .flatMap(({ properties }) => properties.metrics ?? []);
    expect(metrics).toEqual([
      [expect.objectContaining({ expression: '4 * reauthorizationRequired' })],
      // No statistic is the mean.
      expect.arrayContaining([
        'ReauthorizationRequired',
        { id: 'reauthorizationRequired', period: 60, visible: false },
      ]),
    ]);
  });
});
