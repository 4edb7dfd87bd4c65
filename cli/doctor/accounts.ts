import { ListSecretsCommand } from '@aws-sdk/client-secrets-manager';
import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import { awsFailure } from '../../adapters/aws/aws-error.ts';
import { createProfiles } from '../../adapters/aws/profiles.ts';
import { createSecrets } from '../../adapters/aws/secrets.ts';
import { ALLOWED_ADDRESSES } from '../../adapters/oauth/addresses.ts';
import { parseAccount } from '../../core/account/account.ts';
import { profileSecretIdOf } from '../../core/account/secret-id.ts';
import type { Profile } from '../../core/profile/profile.ts';
import { isReason, REASONS } from '../../core/reason.ts';
import { turnOf } from '../../core/who-can-help.ts';
import { duration, type FleetItem, isAccount } from '../../terminal/fleet-table.ts';
import { type FailingProfile, failingProfile } from '../../terminal/profile-failures.ts';
import { escrowKind } from '../accounts/escrow.ts';
import type { Fleet } from '../shared/fleet.ts';
import {
  attention,
  broken,
  type Census,
  type Check,
  type Finding,
  good,
  notApplicable,
  type Patient,
  plural,
} from './check.ts';

export const accountChecks: readonly Check[] = [
  {
    title: 'Profiles',
    needs: 'secretsmanager:GetSecretValue on the profiles',
    run: checkProfiles,
  },
  {
    title: 'Accounts',
    needs: 'dynamodb:Scan on the table',
    run: async ({ census }) => {
      const { accounts, needPerson, failing, unreadable } = await census();
      const findings: Finding[] = [];
      if (needPerson > 0)
        findings.push(
          attention(
            `${plural(needPerson, 'account')} of ${accounts.toLocaleString('en-US')} ${needPerson === 1 ? 'needs' : 'need'} a person`,
            'Authorize each again: "accounts list" names them, "authorize" does it.',
          ),
        );
      if (failing > 0)
        findings.push(
          attention(
            `${plural(failing, 'account')} of ${accounts.toLocaleString('en-US')} ${failing === 1 ? 'is' : 'are'} failing`,
            '"accounts list" says why. docs/reasons.md says what to do.',
          ),
        );
      if (unreadable.length > 0)
        findings.push(
          broken(
            `the function can't read ${unreadable.join(', ')}`,
            'Correct these items. docs/reasons.md (account_invalid) says how.',
          ),
        );
      return findings.length > 0 ? findings : [good(`${plural(accounts, 'account')}, none in trouble`)];
    },
  },
  {
    title: 'Escrow',
    needs: 'dynamodb:Scan on the table',
    run: async ({ census }) => {
      const { inEscrow, answers } = await census();
      const findings: Finding[] = [];
      if (inEscrow > 0)
        findings.push(
          attention(
            `${plural(inEscrow, 'refresh token')} could not be stored and ${inEscrow === 1 ? 'waits' : 'wait'} there`,
            'Can the function write to Secrets Manager? The next run stores them. Do not delete the escrow key.',
          ),
        );
      if (answers.length > 0)
        findings.push(
          attention(
            `responses in which no token could be read: ${answers.join(', ')}`,
            'Look at each: accounts answer ACCOUNT --out FILE. Do not delete the escrow key.',
          ),
        );
      return findings.length > 0 ? findings : [good('no refresh token waits there')];
    },
  },
];

export async function takeCensus({ table, tableName: TableName }: Fleet): Promise<Census> {
  const counts = { accounts: 0, needPerson: 0, failing: 0, inEscrow: 0 };
  const unreadable: string[] = [];
  const answers: string[] = [];
  const failingProfiles: FailingProfile[] = [];
  const profiles = new Map<string, number>();
  let ExclusiveStartKey: Record<string, unknown> | undefined;
  do {
    const page = await table.send(new ScanCommand({ TableName, ExclusiveStartKey }));
    for (const item of page.Items ?? []) {
      const failing = failingProfile(item as FleetItem);
      if (failing !== undefined) failingProfiles.push(failing);
      if (!isAccount(item as FleetItem)) continue;
      if (item.authenticationType !== 'oauth2' || item.oauthProfile === undefined) continue;
      counts.accounts += 1;
      if (item.status === 'reauthorization_required') counts.needPerson += 1;
      if (item.status === 'failing') counts.failing += 1;
      if (escrowKind(item.escrow) === 'answer') {
        if (answers.length < 5) answers.push(String(item.accountId));
      } else if (item.escrow !== undefined) counts.inEscrow += 1;
      const { kind, account } = parseAccount(item);
      if (kind === 'invalid' && unreadable.length < 5) unreadable.push(account.accountId);
      profiles.set(account.oauthProfile, (profiles.get(account.oauthProfile) ?? 0) + 1);
    }
    ExclusiveStartKey = page.LastEvaluatedKey;
  } while (ExclusiveStartKey !== undefined);
  return { ...counts, unreadable, answers, failingProfiles, profiles };
}

async function checkProfiles(patient: Patient): Promise<readonly Finding[]> {
  const { fleet, census } = patient;
  const { profiles: named, failingProfiles } = await census();
  const names = [...new Set([...named.keys(), ...(await profileNames(fleet))])].sort();
  if (names.length === 0) return [notApplicable('there are none yet')];
  const profiles = createProfiles(createSecrets(fleet.secrets, fleet.secrets), fleet.secretNamePrefix, 300);
  const now = patient.now() / 1000;
  const findings = failingProfiles.map((one) => failingNow(one, now));
  const fine: string[] = [];
  for (const name of names) {
    const loaded = await profiles.load(name);
    const users = plural(named.get(name) ?? 0, 'account');
    const found =
      loaded.kind === 'profile'
        ? await checkEndpoints(name, loaded.profile, patient)
        : /can't be read|could not be read/.test(loaded.detail)
          ? [unreadableProfile(loaded.detail)]
          : [broken(`${shortened(loaded.detail)} (${users})`, todoOf(fleet, name, loaded.reason))];
    const isFailing = failingProfiles.some(({ profile }) => profile === name);
    if (found.length === 0 && !isFailing) fine.push(name);
    findings.push(...found);
  }
  if (fine.length > 0)
    findings.unshift(
      good(
        `${plural(fine.length, 'profile')} ${fine.length === 1 ? 'is complete, and its hosts answer' : 'are complete, and their hosts answer'}: ${fine.join(', ')} (profiles check NAME proves the client)`,
      ),
    );
  return findings;
}

/** What the function has found out: nobody has to wait until each account was tried. */
function failingNow({ profile, reason, message, since, accounts }: FailingProfile, now: number): Finding {
  const turn = turnOf(reason);
  return broken(
    `${profile} has been failing for ${duration(now - since)} (${reason}); ${plural(accounts, 'account')} could not be refreshed. ${message}`,
    `${isReason(reason) ? REASONS[reason].remedy : 'docs/reasons.md says what to do.'}${turn === undefined ? '' : ` It is the turn of ${turn}.`}`,
  );
}

const unreadableProfile = (text: string): Finding => ({
  kind: 'unknown',
  text,
  todo: 'May you read this secret? Ask for secretsmanager:GetSecretValue on it, then run doctor again.',
});

/** Without the list of all known fields, which would fill the screen. */
const shortened = (detail: string) => detail.replace(/; known are .*$/, '');

function todoOf({ secretNamePrefix }: Fleet, name: string, reason: string): string {
  if (reason === 'profile_missing')
    return `Add the profile (secret ${profileSecretIdOf(secretNamePrefix, name)}), or correct oauthProfile of these accounts.`;
  return 'Correct the secret. docs/profiles.md describes each field.';
}

/** The profiles that there are, also those that no account names yet; none where listing is not permitted. */
async function profileNames({ secrets, secretNamePrefix }: Fleet): Promise<string[]> {
  const beginning = profileSecretIdOf(secretNamePrefix, '');
  const names: string[] = [];
  let NextToken: string | undefined;
  try {
    do {
      const page = await secrets.send(
        new ListSecretsCommand({ Filters: [{ Key: 'name', Values: [beginning] }], NextToken }),
      );
      for (const { Name = '' } of page.SecretList ?? [])
        if (Name.startsWith(beginning)) names.push(Name.slice(beginning.length));
      NextToken = page.NextToken;
    } while (NextToken !== undefined);
  } catch (error) {
    if (awsFailure(error).kind !== 'denied') throw error;
  }
  return names;
}

const ENDPOINT_TIMEOUT = 10_000;

/** Asks each endpoint for anything at all, without credentials: a response of any kind below 500 will do. */
async function checkEndpoints(name: string, profile: Profile, { send }: Patient): Promise<Finding[]> {
  const { token_endpoint, refresh_token_endpoint, issuer } = profile;
  const { tls_client_certificate: cert, tls_client_key: key, tls_ca_certificate: ca } = profile;
  // An account's parameters are not known here.
  const urls = [token_endpoint, refresh_token_endpoint, issuer].filter(
    (url) => url !== undefined && !url.includes('{'),
  ) as string[];
  const found = await Promise.all(
    urls.map(async (url) => {
      const { host } = new URL(url);
      try {
        const signal = AbortSignal.timeout(ENDPOINT_TIMEOUT);
        const { status } = await send(url, {
          method: 'GET',
          headers: {},
          signal,
          profile: name,
          tls: { cert, key, ca },
        });
        if (status < 500) return undefined;
        return attention(
          `${name}: ${host} answers with HTTP ${status}`,
          'Ask the provider. Runs keep trying.',
        );
      } catch (error) {
        const { code = 'UNKNOWN' } = error as { code?: string };
        return broken(`${name}: ${host} can't be reached (${code})`, endpointTodo(code));
      }
    }),
  );
  return found.filter((finding) => finding !== undefined);
}

function endpointTodo(code: string): string {
  if (code === 'ADDRESS_NOT_ALLOWED')
    return `The endpoint must be https; of addresses, ${ALLOWED_ADDRESSES}.`;
  if (/OSSL/.test(code)) return 'tls_client_certificate and tls_client_key must be PEM, and belong together.';
  if (/CERT|SIGNATURE|ISSUER|ALTNAME|TLS|SSL/.test(code))
    return 'Its certificate is not trusted. Is the host right? A private authority goes into tls_ca_certificate.';
  if (code === 'ENOTFOUND') return 'No such host: correct the endpoint in the profile.';
  return 'Is the host right, and is it reachable from here?';
}
