import { ListSecretsCommand } from '@aws-sdk/client-secrets-manager';
import { awsFailure } from '../../adapters/aws/aws-error.ts';
import { createProfiles } from '../../adapters/aws/profiles.ts';
import { createSecrets } from '../../adapters/aws/secrets.ts';
import { ALLOWED_ADDRESSES } from '../../adapters/oauth/addresses.ts';
import { profileSecretIdOf } from '../../core/account/secret-id.ts';
import type { Profile } from '../../core/profile/profile.ts';
import { isReason, REASONS } from '../../core/reason.ts';
import { turnOf } from '../../core/who-can-help.ts';
import { plural } from '../../terminal/display-text.ts';
import type { FailingProfile } from '../../terminal/fleet-notes.ts';
import { duration } from '../../terminal/fleet-table.ts';
import type { Fleet } from '../shared/fleet.ts';
import { attention, broken, type Check, type Finding, good, notApplicable, type Patient } from './check.ts';

/** Is each profile complete, do its hosts answer, and what has the function found out about it? */
export const profileCheck: Check = {
  title: 'Profiles',
  needs: 'secretsmanager:GetSecretValue on the profiles',
  run: checkProfiles,
};

async function checkProfiles(patient: Patient): Promise<readonly Finding[]> {
  const { fleet, census } = patient;
  const { profiles: named, failingProfiles, atRisk } = await census();
  const names = [...new Set([...named.keys(), ...(await profileNames(fleet))])].sort();
  if (names.length === 0) return [notApplicable('there are none yet')];
  const profiles = createProfiles(createSecrets(fleet.secrets, fleet.secrets), fleet.secretNamePrefix, 300);
  const now = patient.now() / 1000;
  const findings = [...failingProfiles.map((one) => failingNow(one, now)), ...atRisk.map(riskOf)];
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
    if (found.length === 0 && !isFailing && !atRisk.includes(name)) fine.push(name);
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

/** Accounts go on with the version before, until the next change of the secret pushes it out. */
function riskOf(profile: string): Finding {
  return attention(
    `${profile}: its current version is refused by the provider; accounts go on with the one before it`,
    `Correct it before you change anything else in it: profiles check ${profile}`,
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
