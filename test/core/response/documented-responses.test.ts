import { describe, expect, test } from 'vitest';
import { parseProfile } from '../../../core/profile/parse-profile.ts';
import presets from '../../../core/profile/presets.json' with { type: 'json' };
import { interpretTokenResponse } from '../../../core/response/token-response.ts';
import { NOW } from '../../support/builders.ts';
import documented from './documented-responses.json' with { type: 'json' };

/**
 * What providers answer, and how the function reads it if it knows only the preset's name. Each row has its source
 * and how sure it is; `from_memory` is the shape as we remember it, without a page to show.
 */
interface Row {
  readonly provider: string;
  readonly says: string;
  readonly status: number;
  readonly body: string;
  readonly means: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly expiresIn?: number;
  readonly rotates?: boolean;
  /** The access token has no end. */
  readonly doesNotExpire?: boolean;
}
const rows = documented as readonly Row[];

function madeOf({ provider, status, body, headers }: Row) {
  const client = { provider, client_id: 'client', client_secret: 'client-secret' };
  const parsed = parseProfile(JSON.stringify(client));
  if (parsed.kind === 'invalid') throw new Error(parsed.problem);
  const response = { status, body, retryAfter: headers?.['retry-after'], complete: true };
  return interpretTokenResponse(response, {
    profile: parsed.profile,
    previous: { access_token: 'AT-0', refresh_token: 'RT-1' },
    sent: 'RT-1',
    now: NOW,
  });
}

describe.each(Object.keys(presets))('%s', (provider) => {
  const own = rows.filter((row) => row.provider === provider);

  test('has a response to a grant among the rows', () => {
    expect(own.map(({ means }) => means)).toContain('granted');
  });

  test.each(own)('$says → $means', (row) => {
    const made = madeOf(row);
    expect(made.kind === 'error' ? made.reason : made.kind).toBe(row.means);
    if (made.kind !== 'granted') return;
    expect(made.tokens.accessToken).toBe('AT-1');
    if (row.expiresIn !== undefined) expect(made.tokens.expiresAt).toBe(NOW + row.expiresIn);
    if (row.doesNotExpire) expect(made.tokens.expiresAt).toBeUndefined();
    if (row.rotates) expect(made.tokens.refreshToken).toBe('RT-2');
  });
});
