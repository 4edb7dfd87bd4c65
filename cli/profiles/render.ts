import { parseJsonObject } from '../../core/json-object.ts';
import type { Profile } from '../../core/profile/profile.ts';
import { withoutUserinfo } from '../../core/profile/shown-address.ts';
import { printable } from '../../terminal/printable.ts';
import { type Column, type Concession, renderTable } from '../../terminal/table.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import { withoutSecrets } from '../profile/fields.ts';
import { parseWholeProfile } from '../profile/presets.ts';
import type { StoredProfile } from '../profile/profile-secret.ts';

/** One line of `profiles list`. */
export interface ProfileSummary {
  readonly name: string;
  readonly provider: string | null;
  /** The host of its endpoint or issuer. */
  readonly host: string | null;
  readonly authMethod: string | null;
  /** What is wrong with it. */
  readonly problem: string | null;
}

export function summaryOf(name: string, text: string | undefined): ProfileSummary {
  const parsed = parseWholeProfile(text);
  if (parsed.kind === 'invalid')
    return { name, provider: null, host: null, authMethod: null, problem: shortProblem(parsed.problem) };
  const { provider = null, token_endpoint_auth_method: authMethod } = parsed.profile;
  return { name, provider, host: hostOf(parsed.profile), authMethod, problem: null };
}

/** Without the long list of known fields. */
export function shortProblem(problem: string): string {
  return problem.replace(/; known are .*$/, ' (docs/profiles.md names all)');
}

/** A parsed URL would make placeholders unreadable. */
function hostOf({ token_endpoint, issuer }: Profile): string | null {
  const address = withoutUserinfo(token_endpoint ?? issuer ?? '');
  return /^https?:\/\/(?:…@)?([^/\\?#]+)/i.exec(address)?.[1] ?? null;
}

/** The table of `profiles list`, and below each profile what is wrong with it. */
export function profilesTable(
  profiles: readonly ProfileSummary[],
  { tableWidth, color }: Pick<Terminal, 'tableWidth' | 'color'>,
): string[] {
  const columns: readonly Column[] = [
    { title: 'PROFILE', cut: 'id' },
    { title: 'PROVIDER', floor: 12 },
    { title: 'CLIENT PROVES ITSELF BY', shortTitle: 'PROVED BY', floor: 19 },
    { title: 'HOST', least: 20 },
  ];
  const rows = profiles.map(({ name, provider, host, authMethod }) =>
    [name, provider ?? '—', authMethod ?? '—', host ?? '—'].map((text) => ({ text })),
  );
  const notes = profiles.map(({ problem }) =>
    problem === null ? undefined : ({ text: `! ${problem}`, style: 'yellow' } as const),
  );
  const concessions: readonly Concession[] = [
    { dropEmpty: true },
    { drop: 'HOST' },
    { shorten: 'CLIENT PROVES ITSELF BY' },
  ];
  return renderTable({ columns, rows, notes, concessions }, tableWidth, color);
}

/** A profile with its preset and defaults, for people and as JSON; no secret in either. */
export function renderProfile(
  { name, text, parsed }: StoredProfile,
  { paint }: Terminal,
): { readonly text: string; readonly value: unknown; readonly problem: string | null } {
  const wrong = parsed.kind === 'invalid' ? /^\w+/.exec(parsed.problem)?.[0] : undefined;
  const own = withoutSecrets(parseJsonObject(text) ?? {}, wrong);
  const problem = parsed.kind === 'invalid' ? shortProblem(parsed.problem) : null;
  const effective = parsed.kind === 'profile' ? withoutSecrets({ ...parsed.profile }) : own;
  const rows = Object.entries(effective)
    .filter(([field, value]) => field in own || !isEmpty(value))
    .map(([field, value]) => ({ field: printable(field), value: shown(value), inherited: !(field in own) }));
  const width = Math.max(...rows.map(({ field }) => field.length), 0);
  const line = ({ field, value }: { field: string; value: string }) => `  ${field.padEnd(width)}  ${value}`;
  const inherited = rows.filter((row) => row.inherited);
  const lines = [
    paint('bold', name),
    ...rows.filter((row) => !row.inherited).map(line),
    ...(inherited.length === 0 ? [] : [paint('dim', '  from the preset, or by default:')]),
    ...inherited.map((row) => paint('dim', line(row))),
    ...(problem === null ? [] : [paint('yellow', `  ! ${printable(problem)}`)]),
  ];
  return {
    text: lines.join('\n'),
    value: { name, fields: own, effective, problem },
    problem,
  };
}

function isEmpty(value: unknown): boolean {
  return (
    value === undefined || (typeof value === 'object' && value !== null && Object.keys(value).length === 0)
  );
}

function shown(value: unknown): string {
  return printable(typeof value === 'string' ? value : JSON.stringify(value));
}
