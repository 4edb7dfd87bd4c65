/** Names in a population: of its accounts, and of the profiles that share them. */
export function idOf(i: number): string {
  return `account-${String(i).padStart(7, '0')}`;
}

export function profileOf(i: number, profiles: number): string {
  return profiles === 1 ? 'crm' : `crm-${i % profiles}`;
}
