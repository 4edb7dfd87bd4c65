import type { Preset } from '../../lambda/profile.ts';

/** The placeholders that a preset leaves to the account's `parameters`. */
export function labelsIn(profile: Preset['profile']): string[] {
  const labels = [...JSON.stringify(profile).matchAll(/\{([A-Za-z0-9_.-]+)\}/g)].map(
    ([, label = '']) => label,
  );
  return [...new Set(labels)].filter((label) => !OF_THE_CLIENT.includes(label)).sort();
}

/** These the profile fills in itself. */
const OF_THE_CLIENT = ['client_id', 'client_secret', 'redirect_uri', 'scope'];
