import * as v from 'valibot';
import { expect, test } from 'vitest';
import presets from '../../lambda/presets.json' with { type: 'json' };
import { type Preset, parseProfile, presetSchema } from '../../lambda/profile.ts';
import { labelsIn } from '../support/placeholders.ts';

const entries = Object.entries(presets) as unknown as readonly (readonly [string, Preset])[];

test.each(entries)('the preset %s is sound', (name, preset) => {
  expect(v.safeParse(presetSchema, preset).issues).toBeUndefined();
  expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
  const client = { provider: name, client_id: 'client', client_secret: 'secret' };
  expect(parseProfile(JSON.stringify(client))).toMatchObject({ kind: 'profile' });
});

/** `docs/providers.md` as the data has it; `npx vitest run test/lambda/providers-page.test.ts --update` writes it. */
function page(): string {
  const rows = [...entries]
    .sort(([, a], [, b]) => a.title.localeCompare(b.title, 'en'))
    .map(([name, { title, profile, source, confidence, notes }]) => {
      const wanted = labelsIn(profile).map((label) => `\`${label}\``);
      return `| ${title} | \`${name}\` | ${wanted.join(', ')} | ${notes ?? ''} | [${confidence}](${source}) |`;
    });
  return [
    '# Providers',
    '',
    `${entries.length} providers work by name: \`{ "provider": "hubspot", "client_id": "…", "client_secret": "…" }\` is a whole profile.`,
    'Any other OAuth 2.0 provider works with a profile of its own: see [profiles.md](profiles.md). A field that the profile',
    'sets itself wins over the preset.',
    '',
    'Parameters are what each account has to have in its `parameters`. How sure an entry is: *documented*, read on the',
    "provider's own pages; *catalogue*, from a public catalogue of providers; *observed*, from public code and fixtures;",
    '*memory*, known without a page to show. The page is generated from `lambda/presets.json`.',
    '',
    '| provider | name | parameters | to know | source |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

test('docs/providers.md is what the data says', async () => {
  expect(entries.length).toBeGreaterThanOrEqual(40);
  await expect(page()).toMatchFileSnapshot('../../docs/providers.md');
});
