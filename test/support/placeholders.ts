import type { Preset } from '../../lambda/profile.ts';

/** The placeholders that a preset leaves to the account's `parameters`. */
export function labelsIn(preset: Preset): string[] {
  return [...new Set(placeholdersIn(JSON.stringify(preset)))]
    .filter((label) => !OF_THE_CLIENT.includes(label))
    .sort();
}

/** These the profile fills in itself. */
const OF_THE_CLIENT = ['client_id', 'client_secret', 'redirect_uri', 'scope'];

/** The placeholders in the hosts of a preset's addresses, and whether each is one label below others that are fixed. */
export function placeholdersInHosts(preset: Preset): { label: string; isOneLabel: boolean }[] {
  const addresses = Object.values(preset).filter(
    (value) => typeof value === 'string' && /^https:/.test(value),
  );
  const hosts = addresses.map((address) => String(address).split('/')[2] ?? '');
  return hosts.flatMap((host) =>
    placeholdersIn(host).map((label) => ({
      label,
      // `{subdomain}.example.com`: whatever stands there, the two last labels are the provider's.
      isOneLabel: /^[^{}]*\.[a-z0-9-]+\.[a-z]+$/.test(host.split(`{${label}}`)[1] ?? ''),
    })),
  );
}

function placeholdersIn(text: string): string[] {
  return [...text.matchAll(/\{([A-Za-z0-9_.-]+)\}/g)].map(([, label = '']) => label);
}
