import type { Preset } from '../../core/profile/profile-schema.ts';

/** The placeholders that a preset leaves to the account's `parameters`. */
export function labelsIn(preset: Preset): string[] {
  return [...new Set(placeholdersIn(JSON.stringify(preset)))]
    .filter((label) => !OF_THE_CLIENT.includes(label))
    .sort();
}

/** These the profile fills in itself. */
const OF_THE_CLIENT = ['client_id', 'client_secret', 'redirect_uri', 'scope'];

/**
 * The placeholders in the hosts of a preset's addresses that whoever writes an account could lead elsewhere: they have
 * no list of values, and are not one label below a domain that is the provider's.
 */
export function openPlaceholdersInHosts(preset: Preset): string[] {
  const { placeholder_values = {} } = preset;
  const hosts = addressesOf(preset).map(hostOf);
  const listed = Object.entries(placeholder_values);
  const filled = hosts.map((host) =>
    listed.reduce((rest, [label, [first = '']]) => rest.replaceAll(`{${label}}`, first), host),
  );
  const open = filled.filter((host) => !/^([^{}]*|[^{}]*\{[^{}]+\}\.([a-z0-9-]+\.)+[a-z]+)$/.test(host));
  return [...new Set(open.flatMap(placeholdersIn))];
}

/** The placeholders in an address's host. */
export function labelsInHost(address: string): string[] {
  return placeholdersIn(hostOf(address));
}

/** Where a preset's requests and people go. */
export function addressesOf(preset: Preset): string[] {
  return Object.values(preset).flatMap((value) =>
    typeof value === 'string' && value.startsWith('https://') ? [value] : [],
  );
}

function hostOf(address: string): string {
  return address.split('/')[2] ?? '';
}

function placeholdersIn(text: string): string[] {
  return [...text.matchAll(/\{([A-Za-z0-9_.-]+)\}/g)].map(([, label = '']) => label);
}
