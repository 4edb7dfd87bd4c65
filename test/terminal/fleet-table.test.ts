import { describe, expect, test } from 'vitest';
import type { RunResult } from '../../lambda/run-result.ts';
import { widthOf } from '../../terminal/display-text.ts';
import { type FleetItem, renderFleet, renderResult } from '../../terminal/fleet-table.ts';

const NOW = 1_800_000_000;

const account = (accountId: string, more: Record<string, unknown> = {}): FleetItem => ({
  accountId,
  name: `Name of ${accountId}`,
  authenticationType: 'oauth2',
  oauthProfile: 'crm',
  status: 'healthy',
  accessTokenExpiresAt: NOW + 100,
  lastRefreshedAt: NOW - 100,
  ...more,
});
const failing = { status: 'failing', failure: { reason: 'refresh_token_expired' } };
const person = { status: 'reauthorization_required', failure: { reason: 'grant_revoked' } };

const fleet = [
  ...[...Array(14)].map((_, n) => account(`well-${String(n).padStart(2, '0')}`)),
  account('off', { enabled: false }),
  account('ftp', { authenticationType: 'basic' }),
  account('waits', person),
  ...[...Array(6)].map((_, n) => account(`fails-${n}`, failing)),
];

function render(
  items: readonly FleetItem[],
  width: number,
  height: number,
  before: readonly FleetItem[] = [],
) {
  return renderFleet(items, { now: NOW, width, height, color: false, before }).split('\n');
}

describe('the table of npm start', () => {
  test.each([80, 120])('shows the ids, which commands take, at %i columns', (width) => {
    const lines = render(fleet, width, 100);
    expect(lines[1]).toMatch(/^ {3}waits /);
    expect(lines.some((line) => line.includes('Name of'))).toBe(width === 120);
    for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(width);
  });

  test.each([
    ['all fit', 24, 23, undefined],
    ['healthy ones give way first', 23, 21, '   … and 2 more'],
    ['then those that are not looked at', 10, 8, '   … and 15 more'],
    ['what needs a person stays to the last', 3, 1, '   … and 22 more'],
  ])('where the screen is small: %s', (_, height, rows, more) => {
    const lines = render(fleet, 80, height);
    expect(lines.length).toBeLessThanOrEqual(height);
    expect(lines.slice(1).filter((line) => !line.includes('more'))).toHaveLength(rows);
    expect(lines.find((line) => line.includes('more'))).toBe(more);
    expect(lines[1]).toMatch(/^ {3}waits /);
    if (height > 8) expect(lines.filter((line) => line.includes('failing'))).toHaveLength(6);
  });

  test('a healthy account that has changed stays rather than one that has not', () => {
    const before = fleet.map((item) =>
      item.accountId === 'well-13' ? { ...item, lastRefreshedAt: 1 } : item,
    );
    expect(render(fleet, 80, 12, before).filter((line) => line.includes('healthy'))).toEqual([
      expect.stringMatching(/^● {2}well-13 /),
    ]);
  });

  test('at 40 columns fits on the screen too, and cuts no id, state or reason', () => {
    const long = [...Array(30)].map((_, n) =>
      account(`tenant-${n}-of-a-customer-in-production-eu-central-1`, failing),
    );
    const lines = render([...fleet, ...long], 40, 20);
    expect(lines.filter((line) => widthOf(line) > 40)).toEqual([]);
    expect(lines.length).toBeLessThanOrEqual(20);
    expect(lines.slice(0, 3)).toEqual([
      'waits',
      '  STATUS needs a person',
      '  REASON grant_revoked  TOKEN 1:40',
    ]);
    expect(lines.at(-1)).toMatch(/^ {3}… and 4\d more$/);
  });

  test("leaves out the function's own notes", () => {
    const note = { accountId: '#secret:oauth/accounts/acme', secretOwner: 'acme' };
    expect(render([account('acme'), note], 80, 100)).toHaveLength(2);
  });
});

describe('the line below it', () => {
  const result = {
    scanned: 21,
    due: 16,
    refreshed: 4,
    reconciled: 1,
    failed: 5,
    invalid: 5,
    leasedElsewhere: 1,
    deferred: 0,
    reauthorizationRequired: 2,
    durationMs: 219,
  } as RunResult;

  test('adds up: who needs a person is not among those that were due', () => {
    expect(renderResult(result, 200, false)).toEqual([
      '21 scanned, 16 due: 4 refreshed, 1 reconciled, 5 failed, 5 invalid, 1 leased elsewhere; 2 need a person (219 ms)',
    ]);
  });

  test('is broken between phrases, with colours too', () => {
    expect(renderResult(result, 69, false)).toEqual([
      '21 scanned, 16 due: 4 refreshed, 1 reconciled, 5 failed, 5 invalid,',
      '1 leased elsewhere; 2 need a person (219 ms)',
    ]);
    expect(renderResult(result, 69, true).map(widthOf)).toEqual([67, 44]);
  });

  test('says so where there is nothing to do', () => {
    const idle = {
      ...result,
      due: 0,
      refreshed: 0,
      reconciled: 0,
      failed: 0,
      invalid: 0,
      leasedElsewhere: 0,
    };
    expect(renderResult({ ...idle, reauthorizationRequired: 1 }, 80, false)).toEqual([
      '21 scanned, 0 due: nothing to do; 1 needs a person (219 ms)',
    ]);
    expect(renderResult({ ...idle, reauthorizationRequired: 0 }, 80, false)).toEqual([
      '21 scanned, 0 due: nothing to do (219 ms)',
    ]);
  });
});
