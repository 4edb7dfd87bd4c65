import type { AccountsTable, SecretNote } from '../../../adapters/aws/accounts-table.ts';
import type { Account, Changes } from '../../../core/account/account.ts';
import type { Call } from './model.ts';

/**
 * The conditional writes of the accounts table, on one item.
 *
 * @param keep hears of each refresh token that comes into escrow
 */
export function createModelTable(first: Account, keep: (refreshToken: unknown) => void) {
  let current = first;
  /** What is noted of the secret. */
  let note: SecretNote | undefined;
  const item = () => current;
  const set = (next: Account) => {
    current = next;
  };
  const write = ({ set: changes, remove, leaveLease }: Changes) => {
    const defined = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
    const next: Record<string, unknown> = { ...item(), ...defined, lease: leaveLease };
    for (const name of remove) delete next[name];
    set(next as unknown as Account);
  };
  const notInThisModel = () => {
    throw new Error('not in this model');
  };
  const of = (call: Call): AccountsTable => ({
    scan: notInThisModel,
    get: async () => undefined,
    lease: (account, lease, now) =>
      call('lease', () => {
        const { lease: held, failure: _f, escrow, ...is } = item();
        const { lease: known, failure: _g, escrow: knownEscrow, ...was } = account;
        const over = held === undefined || (held.owner === known?.owner && held.expiresAt <= now);
        const free = (over || held.owner === lease.owner) && escrow?.attemptId === knownEscrow?.attemptId;
        const unchanged = Object.keys({ ...is, ...was }).every(
          (name) => is[name as keyof typeof is] === was[name as keyof typeof was],
        );
        if (!free || !unchanged) return 'conflict';
        set({ ...item(), lease });
        return 'leased';
      }),
    release: (_, owner, changes) =>
      call('record', () => {
        if (item().lease?.owner !== owner) return 'conflict';
        write(changes);
        return 'recorded';
      }),
    note: notInThisModel,
    secretNote: async () => note,
    claimSecret: async (_, { accountId, lease, before, now, waitUntil }) => {
      const { secretOwner, lease: held } = note ?? {};
      const owned = secretOwner === before?.secretOwner || secretOwner === accountId;
      if (!owned || (held !== undefined && held.expiresAt > now && held.owner !== lease.owner))
        return 'conflict';
      note = { ...note, secretOwner: accountId, lease, ...(waitUntil && { waitUntil }) };
      return 'claimed';
    },
    releaseSecret: async (_, owner, obtainedAt) => {
      if (note?.lease?.owner !== owner) return;
      const { lease: __, ...rest } = note;
      note = { ...rest, ...(obtainedAt && { obtainedAt }) };
    },
    lendSecret: notInThisModel,
    putEscrow: (_, owner, escrow) =>
      call('put escrow', () => {
        const { escrow: before, lease } = item();
        const mayPut =
          before === undefined || lease?.owner === owner || before.attemptId === escrow.attemptId;
        if (!mayPut) return 'conflict';
        set({ ...item(), escrow });
        keep(JSON.parse(escrow.ciphertext).refreshToken);
        return 'recorded';
      }),
    profileNote: notInThisModel,
    putProfileNote: notInThisModel,
  });
  return { item, set, of };
}
