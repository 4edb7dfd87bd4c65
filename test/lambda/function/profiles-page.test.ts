import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { PROFILE_FIELDS } from '../../../core/profile/profile-schema.ts';
import { awsEndpoint } from '../../support/aws-endpoint.ts';
import { fileWorld } from '../../support/world-test.ts';

/** The recipes of docs/profiles.md, taken from the page and run. */
const page = readFileSync(new URL('../../../docs/profiles.md', import.meta.url), 'utf8');
const recipes = new Map(
  page
    .split(/^### /m)
    .slice(1)
    .map((section) => {
      const json = /```json\n([\s\S]*?)```/.exec(section)?.[1] ?? '';
      return [section.slice(0, section.indexOf('\n')), JSON.parse(json) as Record<string, unknown>];
    }),
);

/** What each recipe goes with. */
const CLIENT = { client_id: 'client', client_secret: 'client-secret' };

/** The names before the colons of the page's lists. */
const fieldsOfThePage = page
  .split('\n')
  .filter((line) => line.startsWith('- `'))
  .flatMap((line) => [...(line.split(':')[0] ?? '').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name));

const { provider, world } = await fileWorld(awsEndpoint());

interface Given {
  readonly recipe: string;
  /** A path of the provider, where the endpoint is not the recipe's first part. */
  readonly path?: string;
  readonly item?: Readonly<Record<string, unknown>>;
  readonly status?: number;
  readonly answer: unknown;
}

async function refreshWith({ recipe, path = '/token', item, status = 200, answer }: Given) {
  const accountId = recipe.replaceAll(/[^A-Za-z0-9]+/g, '-');
  await world.profile(accountId, {
    ...CLIENT,
    ...recipes.get(recipe),
    token_endpoint: provider.origin + path,
  });
  const issued = provider.issue(accountId);
  await world.account({ accountId, oauthProfile: accountId, ...item }, issued);
  const body = JSON.stringify(answer);
  provider.inject(() => ({ kind: 'answer', status, body }));
  const { accounts } = await world.run({ accountIds: [accountId] });
  const reason = accounts?.[0]?.reason;
  return { reason, request: provider.lastRequest(), tokens: await world.tokens(accountId), issued };
}

const now = () => Math.floor(Date.now() / 1000);

describe('the page', () => {
  test.each(PROFILE_FIELDS)('says what %s is', (field) => {
    expect(fieldsOfThePage).toContain(field);
  });

  test('names no field that is not known', () => {
    expect(fieldsOfThePage.filter((field) => !PROFILE_FIELDS.includes(field))).toEqual([]);
  });
});

describe('the recipe', () => {
  test('Nested response, absolute expiry, JSON request', async () => {
    const { request, tokens, issued } = await refreshWith({
      recipe: 'Nested response, absolute expiry, JSON request',
      answer: { data: { token: { access: 'A', refresh: 'R' } }, validUntil: '2031-05-01T10:00:00Z' },
    });
    expect(request?.headers['content-type']).toBe('application/json');
    expect(request?.parameters).toEqual({
      grant_type: 'refresh_token',
      refresh_token: issued.refresh_token,
      client_id: 'client',
      client_secret: 'client-secret',
    });
    expect(tokens).toMatchObject({ access_token: 'A', refresh_token: 'R', expires_at: 1_935_396_000 });
  });

  test('No lifetime in the response', async () => {
    const { tokens, issued } = await refreshWith({
      recipe: 'No lifetime in the response',
      answer: { access_token: 'A', token_type: 'Bearer' },
    });
    expect(Number(tokens.expires_at) - Number(tokens.obtained_at)).toBe(7_200);
    expect(Math.abs(Number(tokens.obtained_at) - now())).toBeLessThan(60);
    expect(tokens.refresh_token).toBe(issued.refresh_token);
  });

  test('Basic with an empty password', async () => {
    const { request, tokens } = await refreshWith({
      recipe: 'Basic with an empty password',
      answer: { access_token: 'A', token_type: 'Bearer', expires_in: 60 },
    });
    expect(request?.headers.authorization).toBe(`Basic ${btoa('client:')}`);
    expect(request?.parameters).not.toHaveProperty('client_secret');
    expect(tokens.access_token).toBe('A');
  });

  test('Basic without encoding', async () => {
    const { request, tokens } = await refreshWith({
      recipe: 'Basic without encoding',
      answer: { access_token: 'A', token_type: 'Bearer', expires_in: 60 },
    });
    expect(request?.headers.authorization).toBe(`Basic ${btoa('client:a+b/c=')}`);
    expect(tokens.access_token).toBe('A');
  });

  test('Another name for the client id', async () => {
    const { request, tokens, issued } = await refreshWith({
      recipe: 'Another name for the client id',
      answer: { access_token: 'A', token_type: 'Bearer', expires_in: 60 },
    });
    expect(request?.parameters).toEqual({
      grant_type: 'refresh_token',
      refresh_token: issued.refresh_token,
      client_key: 'client',
      client_secret: 'client-secret',
    });
    expect(tokens.access_token).toBe('A');
  });

  test.each([
    {
      recipe: 'Dead grant as HTTP 500',
      status: 500,
      answer: { error: 'token_not_found' },
      reason: 'grant_revoked',
    },
    {
      recipe: 'Dead grant as 403 unauthorized_client',
      status: 403,
      answer: { error: 'unauthorized_client', error_description: 'refresh_token is invalid' },
      reason: 'grant_revoked',
    },
    {
      recipe: 'Rate limit sent as invalid_grant',
      status: 400,
      answer: { error: 'invalid_grant', error_description: 'E1029: Too many refreshes, slow down' },
      reason: 'rate_limited',
    },
  ])('$recipe', async ({ recipe, status, answer, reason }) => {
    const made = await refreshWith({ recipe, status, answer });
    expect(made.reason).toBe(reason);
    expect(made.tokens.refresh_token).toBe(made.issued.refresh_token);
  });

  test('A host of its own for each account', async () => {
    const { request, tokens } = await refreshWith({
      recipe: 'A host of its own for each account',
      // A host can't be made up here; the path shows the same.
      path: '/{subdomain}/{realm}/token',
      item: { parameters: { subdomain: 'acme', realm: 'sales' } },
      answer: { access_token: 'A', token_type: 'Bearer', expires_in: 60 },
    });
    expect(request?.headers['x-tenant']).toBe('acme');
    expect(request?.parameters.resource).toBe('urn:sales');
    expect(request?.path).toBe('/acme/sales/token');
    expect(tokens.access_token).toBe('A');
  });

  test('is run by one of these, each of them', () => {
    expect(recipes.size).toBe(9);
  });
});
