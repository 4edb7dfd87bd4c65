/** A picture of a few figures, as SVG that is readable on a light and on a dark page. */
export type Chart = LineChart | BarChart;

interface Axis {
  readonly name: string;
  readonly scale: 'linear' | 'log';
}

export interface LineChart {
  readonly kind: 'lines';
  readonly file: string;
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly {
    readonly name: string;
    readonly points: readonly (readonly [x: number, y: number])[];
  }[];
}

export interface BarChart {
  readonly kind: 'bars';
  readonly file: string;
  readonly title: string;
  readonly unit: string;
  readonly bars: readonly (readonly [name: string, value: number])[];
}

const WIDTH = 720;
const HEIGHT = 340;
const LEFT = 84;
const RIGHT = 36;
const TOP = 60;
const BOTTOM = 50;

const style = `<style>
  text { font: 13px system-ui, sans-serif; fill: #57606a; }
  .title { font-size: 15px; font-weight: 600; fill: #24292f; }
  .axis { stroke: #8c959f; } .grid { stroke: #8c959f; stroke-opacity: .25; }
  .l0 { stroke: #0969da; } .l1 { stroke: #bc4c00; stroke-dasharray: 7 4; } .l2 { stroke: #1a7f37; stroke-dasharray: 2 3; }
  .f0 { fill: #0969da; } .f1 { fill: #bc4c00; } .f2 { fill: #1a7f37; }
  .line { fill: none; stroke-width: 2.2; }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1; } .title { fill: #f0f6fc; }
    .l0 { stroke: #4493f8; } .l1 { stroke: #f0883e; } .l2 { stroke: #3fb950; }
    .f0 { fill: #4493f8; } .f1 { fill: #f0883e; } .f2 { fill: #3fb950; }
  }
</style>`;

/** @returns the whole SVG document */
export function render(chart: Chart): string {
  const body = chart.kind === 'bars' ? bars(chart) : lines(chart);
  const height = chart.kind === 'bars' ? TOP + chart.bars.length * 40 + 30 : HEIGHT;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${xml(chart.title)}">
${style}
<text class="title" x="10" y="24">${xml(chart.title)}</text>
${body.join('\n')}
</svg>
`;
}

function bars({ bars, unit }: BarChart): string[] {
  const most = Math.max(...bars.map(([, value]) => value));
  const left = 170;
  return [
    `<text x="10" y="46">${xml(unit)}</text>`,
    ...bars.flatMap(([name, value], i) => {
      const y = TOP + i * 40;
      const width = ((WIDTH - left - 80) * value) / most;
      return [
        `<text x="${left - 10}" y="${y + 20}" text-anchor="end">${xml(name)}</text>`,
        `<rect class="f${i % 3}" x="${left}" y="${y + 4}" width="${width.toFixed(1)}" height="24" rx="3"/>`,
        `<text x="${(left + width + 8).toFixed(1)}" y="${y + 20}">${short(value)}</text>`,
      ];
    }),
  ];
}

function lines({ x, y, series }: LineChart): string[] {
  const points = series.flatMap((one) => one.points);
  const across = scaleOf(
    x,
    points.map(([at]) => at),
    LEFT,
    WIDTH - RIGHT,
  );
  const up = scaleOf(
    y,
    points.map(([, at]) => at),
    HEIGHT - BOTTOM,
    TOP,
  );
  return [
    ...up.ticks.flatMap((tick) => [
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${up.at(tick)}" y2="${up.at(tick)}"/>`,
      `<text x="${LEFT - 8}" y="${Number(up.at(tick)) + 4}" text-anchor="end">${short(tick)}</text>`,
    ]),
    ...across.ticks.map(
      (tick) =>
        `<text x="${across.at(tick)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${short(tick)}</text>`,
    ),
    `<line class="axis" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${HEIGHT - BOTTOM}" y2="${HEIGHT - BOTTOM}"/>`,
    `<line class="axis" x1="${LEFT}" x2="${LEFT}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/>`,
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 10}" text-anchor="middle">${xml(x.name)}</text>`,
    `<text transform="translate(16 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${xml(y.name)}</text>`,
    ...series.flatMap(({ name, points }, i) => [
      `<polyline class="line l${i % 3}" points="${points.map(([a, b]) => `${across.at(a)},${up.at(b)}`).join(' ')}"/>`,
      ...(points.length > 12
        ? []
        : points.map(
            ([a, b]) => `<circle class="f${i % 3}" cx="${across.at(a)}" cy="${up.at(b)}" r="3.5"/>`,
          )),
      `<line class="line l${i % 3}" x1="${LEFT + i * 200}" x2="${LEFT + i * 200 + 28}" y1="44" y2="44"/>`,
      `<text x="${LEFT + i * 200 + 34}" y="48">${xml(name)}</text>`,
    ]),
  ];
}

/** A linear axis begins at 0 and ends at a round number; a logarithmic one shows powers of ten. */
function scaleOf({ scale }: Axis, values: readonly number[], from: number, to: number) {
  const most = Math.max(...values);
  if (scale === 'linear') {
    const step = roundStep(most / 5);
    const end = Math.ceil(most / step) * step;
    const ticks = Array.from({ length: Math.round(end / step) + 1 }, (_, i) => i * step);
    return { ticks, at: (value: number) => (from + ((to - from) * value) / end).toFixed(1) };
  }
  const [low, high] = [Math.floor(Math.log10(Math.min(...values))), Math.ceil(Math.log10(most))];
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  return {
    ticks,
    at: (value: number) => (from + ((to - from) * (Math.log10(value) - low)) / (high - low)).toFixed(1),
  };
}

function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  return ([1, 2, 5, 10].find((factor) => factor * power >= step) ?? 10) * power;
}

function short(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 1 : 0 });
}

function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
