import { input, password, search, select } from '@inquirer/prompts';
import { parseJsonObject } from '../../core/json-object.ts';
import type { Preset } from '../../core/profile/profile-schema.ts';
import type { Fields } from '../profile/fields.ts';
import { ABOUT_PRESETS, PRESETS } from '../profile/presets.ts';
import { CliError, EXIT } from '../shared/cli-error.ts';
import type { Context } from '../shared/command.ts';

/** Asks for the missing fields of a new profile. */
export async function askForFields(given: Fields, { terminal, signal }: Context): Promise<Fields> {
  const at = { input: terminal.stdin, output: terminal.stderr, signal };
  const where = describesProvider(given) ? {} : await askForProvider(at);
  const fields = { ...given, ...where };
  const client_id = fields.client_id ?? (await input({ message: 'Client id:', required: true }, at));
  const method = methodOf(fields) ?? (await askForMethod(at));
  const secret = await askForSecret(method, fields, at);
  const scope =
    fields.scope ?? presetOf(fields)?.scope ?? (await input({ message: 'Scope (may be empty):' }, at));
  return {
    ...fields,
    client_id,
    ...(methodOf(fields) === undefined && { token_endpoint_auth_method: method }),
    ...secret,
    ...(typeof scope === 'string' && scope !== '' && fields.scope === undefined && { scope }),
  };
}

type At = Parameters<typeof input>[1];

function describesProvider({ provider, issuer, token_endpoint }: Fields): boolean {
  return [provider, issuer, token_endpoint].some((field) => field !== undefined);
}

function presetOf({ provider }: Fields): Preset | undefined {
  return typeof provider === 'string' && Object.hasOwn(PRESETS, provider) ? PRESETS[provider] : undefined;
}

function methodOf(fields: Fields): unknown {
  return fields.token_endpoint_auth_method ?? presetOf(fields)?.token_endpoint_auth_method;
}

async function askForProvider(at: At): Promise<Fields> {
  const others = [
    { name: 'another, by its issuer (OpenID Connect or RFC 8414)', value: ':issuer' },
    { name: 'another, by its endpoints', value: ':endpoints' },
  ];
  const named = Object.entries(ABOUT_PRESETS)
    .map(([value, { title, notes }]) => ({
      name: title,
      value,
      ...(notes !== undefined && { description: notes }),
    }))
    .sort((a, b) => a.name.localeCompare(b.name, 'en'));
  const choice = await search(
    {
      message: 'Provider (type to search):',
      source: (term) => {
        const wanted = (term ?? '').toLowerCase();
        // At first the presets would push them below the screen.
        if (wanted === '') return [...others, ...named];
        return [
          ...named.filter(({ name, value }) => `${name} ${value}`.toLowerCase().includes(wanted)),
          ...others,
        ];
      },
    },
    at,
  );
  const url = (message: string) => input({ message, required: true, validate: isUrl }, at);
  if (choice === ':issuer') return { issuer: await url('Issuer:') };
  if (choice !== ':endpoints') return { provider: choice };
  return {
    token_endpoint: await url('Token endpoint:'),
    authorization_endpoint: await url('Authorization endpoint:'),
  };
}

function isUrl(text: string): true | string {
  return URL.canParse(text) || /\{\w+\}/.test(text)
    ? true
    : 'It must be a URL, such as https://id.example.com';
}

async function askForMethod(at: At): Promise<string> {
  return await select(
    {
      message: 'How does the client prove itself?',
      choices: [
        { name: 'a client secret in the Authorization header', value: 'client_secret_basic' },
        { name: 'a client secret in the request', value: 'client_secret_post' },
        { name: 'a signed assertion (private key)', value: 'private_key_jwt' },
        { name: 'not at all (public client)', value: 'none' },
      ],
    },
    at,
  );
}

async function askForSecret(method: unknown, fields: Fields, at: At): Promise<Fields> {
  const hidden = (message: string) =>
    password({ message, mask: '*', validate: (text) => text !== '' || 'It must not be empty.' }, at);
  if (/^client_secret_/.test(String(method)) && fields.client_secret === undefined)
    return { client_secret: await hidden('Client secret:') };
  if (method === 'private_key_jwt' && fields.private_key === undefined) {
    const text = await hidden('Private key, as a JWK in one line (PEM: use --stdin):');
    return { private_key: text.startsWith('{') ? jwkOf(text) : text };
  }
  return {};
}

/** A syntax error would quote the input. */
function jwkOf(text: string): Fields {
  const jwk = parseJsonObject(text);
  if (jwk !== undefined) return jwk;
  throw new CliError(
    'USAGE',
    'The private key begins like a JWK, but is not JSON. Nothing was written. Give all of it in one line.',
    EXIT.usage,
  );
}
