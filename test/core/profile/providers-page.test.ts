import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import about from '../../../cli/profile/about-presets.json' with { type: 'json' };
import { PRESETS, parseWholeProfile } from '../../../cli/profile/presets.ts';
import { fillPlaceholders } from '../../../core/profile/placeholders.ts';
import { type Preset, presetSchema } from '../../../core/profile/profile-schema.ts';
import { anAccount, aProfile } from '../../support/builders.ts';
import { addressesOf, labelsIn, labelsInHost, openPlaceholdersInHosts } from '../../support/placeholders.ts';

const fields = PRESETS;
const names = Object.keys(fields);

/** What only people read of a preset; the function's bundle holds none of it. */
const aboutSchema = v.record(
  v.string(),
  v.strictObject({
    title: v.pipe(v.string(), v.minLength(1)),
    authorizing: v.optional(v.record(v.string(), v.unknown())),
    source: v.pipe(v.string(), v.url(), v.startsWith('https://')),
    confidence: v.picklist(['documented', 'public_source', 'from_memory']),
    notes: v.optional(v.pipe(v.string(), v.endsWith('.'))),
  }),
);
const told = v.parse(aboutSchema, about);

test('each preset has its title and source, and nothing else has', () => {
  expect(Object.keys(told).sort()).toEqual([...names].sort());
});

describe.each(Object.entries(fields))('the preset %s', (name, preset) => {
  test('makes a profile of a client id and a secret', () => {
    expect(v.safeParse(presetSchema, preset).issues).toBeUndefined();
    expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
    const client = { provider: name, client_id: 'client', client_secret: 'secret' };
    expect(parseWholeProfile(JSON.stringify(client))).toMatchObject({ kind: 'profile' });
  });

  test('lets no account lead its secrets elsewhere', () => {
    // A self-hosted server has no domain that could stand here: the profile lists its hosts, and the notes say so.
    const theProfiles = told[name]?.notes?.includes('placeholder_values') ? ['host'] : [];
    expect(openPlaceholdersInHosts(preset)).toEqual(theProfiles);
  });

  test.each(
    addressesOf(preset).filter((address) => labelsInHost(address).length > 0),
  )('leads to its own hosts alone: %s', (address) => {
    const { placeholder_values: lists = {} } = preset;
    const own = Object.fromEntries(labelsIn(preset).map((label) => [label, lists[label]?.[0] ?? 'acme']));
    const filled = (parameters: Record<string, string>) =>
      fillPlaceholders(address, 'token_endpoint', anAccount({ parameters }), aProfile({ provider: name }));
    expect(URL.canParse(filled(own))).toBe(true);
    for (const label of labelsInHost(address)) {
      expect(() => filled({ ...own, [label]: 'evil.example' })).toThrow(`parameters.${label}`);
      expect(() => filled({ ...own, [label]: `${own[label]}.evil.example` })).toThrow(`parameters.${label}`);
    }
  });

  test('names each value of a placeholder that it has, and no other', () => {
    const listed = Object.keys(preset.placeholder_values ?? {});
    expect(labelsIn(preset)).toEqual(expect.arrayContaining(listed));
  });

  test('has a signed assertion for the token endpoint, unless it says that the issuer is accepted', () => {
    const { client_assertion_audience: audience = 'token_endpoint' } = preset;
    expect(aProfile({ provider: name, token_endpoint: undefined }).client_assertion_audience).toBe(audience);
  });
});

test.each([
  'okta',
  'auth0',
  'keycloak',
])('an issuer of the profile’s own takes the place of the hosts of %s', (provider) => {
  const { token_endpoint, authorization_endpoint, issuer } = aProfile({
    provider,
    token_endpoint: undefined,
    issuer: 'https://id.acme.example',
  });
  expect({ token_endpoint, authorization_endpoint, issuer }).toEqual({ issuer: 'https://id.acme.example' });
});

const RENEW = 'npx vitest run test/core/profile/providers-page.test.ts --update';

/** `docs/providers.md` as the data has it. */
function page(): string {
  const sorted = [...names].sort();
  const unending = sorted.filter((name) => isUnending(fields[name]));
  const refreshed = sorted.filter((name) => !unending.includes(name));
  return [
    '# Providers',
    '',
    `${names.length} providers work by name: \`{ "provider": "hubspot", "client_id": "…", "client_secret": "…" }\` is a whole`,
    '[profile](profiles.md). Your own fields win. *Needs* lists the `parameters` that each account must have, in brackets the',
    'only values allowed.',
    '',
    `Sources: the linked pages, with \`${SIGNS.public_source}\` public code or a catalogue, with \`${SIGNS.from_memory}\` our memory.`,
    '',
    '## Tokens that are refreshed',
    ...refreshed.map(line),
    '',
    '## Tokens that do not expire',
    'Left alone until somebody withdraws the grant.',
    '',
    ...unending.map(line),
    '',
    `Made by \`${RENEW}\`.`,
    '',
  ].join('\n');
}

function isUnending(preset: Preset | undefined): boolean {
  return preset?.default_expires_in === 'never';
}

/** What stands after a name that is not from the provider's own pages. */
const SIGNS = { documented: '', public_source: '°', from_memory: '?' } as const;

function line(name: string): string {
  const [preset, words] = [fields[name], told[name]];
  if (preset === undefined || words === undefined) throw new Error(`There is nothing about ${name}.`);
  const { title, source, confidence, notes } = words;
  const parameters = parametersOf(preset);
  const known = [
    beyondTheName(title, name),
    parameters === '' ? undefined : `Needs ${parameters}`,
    ...sentencesOf(notes),
  ].filter((part) => part !== undefined);
  return `- [\`${name}\`](${source})${SIGNS[confidence]}${known.length > 0 ? ` ${known.join('. ')}.` : ''}`;
}

/**
 * Notes without what makes no difference: how long an access token lives, whether a refresh token changes, and that one lives longer
 * than any outage.
 */
function sentencesOf(notes = ''): string[] {
  return notes
    .replace('Include offline_access in the scope.', 'Scope: offline_access.')
    .replace(/\.$/, '')
    .split('. ')
    .filter(
      (sentence) =>
        sentence !== '' &&
        !/^Access tokens live [^:]+$|refresh token (works once|stays the same)$|^Refresh tokens live (a year|(about )?[3-9]\d days)$/.test(
          sentence,
        ),
    );
}

/** What a title says beyond the name: `Atlassian (Jira, Confluence)` is `atlassian`, for Jira and Confluence. */
function beyondTheName(title: string, name: string): string | undefined {
  if (!plain(title).includes(plain(name)) || /\),/.test(title)) return title;
  return /\((.*)\)$/.exec(title)?.[1];
}

const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '');

function parametersOf(preset: Preset): string {
  const { placeholder_values = {} } = preset;
  return labelsIn(preset)
    .map((label) => [`\`${label}\``, listOf(placeholder_values[label])].join(''))
    .join(', ');
}

function listOf(values: readonly string[] | undefined): string {
  if (values === undefined) return '';
  const more = values.length - MOST_LISTED;
  return more > 0
    ? ` (${values.slice(0, 2).join(', ')} and ${values.length - 2} more)`
    : ` (${values.join(', ')})`;
}

const MOST_LISTED = 10;

test(`docs/providers.md is what the data says; if not, "${RENEW}" writes it`, async () => {
  expect(names.length).toBeGreaterThanOrEqual(69);
  await expect(page(), `docs/providers.md is out of date. Renew it: ${RENEW}`).toMatchFileSnapshot(
    '../../../docs/providers.md',
  );
});
