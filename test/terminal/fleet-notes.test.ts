import { describe, expect, test } from 'vitest';
import { failingProfile, isAtRisk } from '../../terminal/fleet-notes.ts';

const NOW = 1_796_000_000;
const failure = {
  reason: 'client_rejected',
  message: 'invalid_client',
  count: 3,
  since: NOW - 600,
  at: NOW - 60,
  accounts: 4,
};

describe("a profile's note, which anybody can have written", () => {
  test('tells of its failure', () => {
    expect(failingProfile({ accountId: '#profile:p', failure }, NOW)).toEqual({ profile: 'p', ...failure });
  });

  test.each([
    { title: 'a reason that does not exist', failure: { ...failure, reason: 'banana' } },
    { title: 'a time that is none', failure: { ...failure, since: 'x' } },
    { title: 'no time of the last try', failure: { ...failure, at: undefined } },
    { title: 'a text', failure: 'down' },
  ])('with $title tells of none, as for the function', ({ failure: odd }) => {
    expect(failingProfile({ accountId: '#profile:p', failure: odd }, NOW)).toBeUndefined();
  });

  test.each([
    { title: 'times', atRisk: { since: NOW - 60, at: NOW - 60 }, is: true },
    { title: 'a word for a time', atRisk: { since: NOW - 60, at: 'now' }, is: false },
    { title: 'nothing in it', atRisk: {}, is: false },
  ])('at risk with $title: $is', ({ atRisk, is }) => {
    expect(isAtRisk({ accountId: '#profile:p', atRisk }, NOW)).toBe(is);
  });
});
