import { ESCROW_KINDS, type EscrowKind } from '../../core/account/account.ts';

/** What kind of thing an item's `escrow` holds; `unknown` where a newer version has put it there. */
export function escrowKind(escrow: unknown): EscrowKind | 'unknown' {
  const { kind = 'token' } = (escrow ?? {}) as { kind?: unknown };
  return ESCROW_KINDS.find((known) => known === kind) ?? 'unknown';
}
