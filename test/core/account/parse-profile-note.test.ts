import { describe, expect, test } from 'vitest';
import { parseProfileNote } from '../../../core/account/parse-profile-note.ts';
import type { ProfileNote } from '../../../core/account/profile-note.ts';
import { NOW } from '../../support/builders.ts';

const failure = { reason: 'client_rejected', message: 'm', count: 1, since: NOW, at: NOW, accounts: 1 };

describe('A profile’s note', () => {
  test('is read as it was written', () => {
    const note = {
      lastGrantAt: NOW,
      failure,
      streak: ['a'],
      asked: { '1': { all: 2, refused: 1 } },
      wideRefusal: { since: NOW, countedSince: NOW, triedSince: NOW, tries: 1 },
      wideRefusalEndedAt: NOW,
      refusedAt: NOW,
      waiting: { '0/1': 3 },
      eventOwed: 'OAuth Profile Failing',
      revision: 4,
    } as ProfileNote;
    expect(parseProfileNote({ accountId: '#profile:crm', ...note })).toEqual(note);
  });

  const odd: Record<string, unknown> = {
    'that is not there': undefined,
    'of something else': 'x',
    'with a streak that is no list': { streak: false },
    'with counts that are none': { asked: { '1': 5 } },
    'with a trouble that is cut short': { failure: { reason: 'client_rejected' } },
    'with a reason of a later version': { failure: { ...failure, reason: 'of_a_later_version' } },
    'with an event of a later version': { eventOwed: 'OAuth Profile Retired' },
    'with times that are texts': { lastGrantAt: '2027-01-01', wideRefusalEndedAt: 'x', refusedAt: null },
    'with an attribute of a later version': { ofALaterVersion: 1 },
  };
  test.each(Object.entries(odd))('%s counts as none', (_, item) => {
    expect(Object.values(parseProfileNote(item)).filter((value) => value !== undefined)).toEqual([]);
  });

  test('keeps what can be read beside what can’t', () => {
    expect(parseProfileNote({ streak: 5, lastGrantAt: NOW, revision: 2 })).toMatchObject({
      lastGrantAt: NOW,
      revision: 2,
    });
  });
});
