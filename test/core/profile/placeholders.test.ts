import { describe, expect, test } from 'vitest';
import { fillPlaceholders } from '../../../core/profile/placeholders.ts';
import { anAccount, aProfile } from '../../support/builders.ts';

function filled(template: string, parameters: Record<string, string>, more: Record<string, unknown> = {}) {
  const { field = 'token_endpoint', ...fields } = more;
  try {
    return fillPlaceholders(template, String(field), anAccount({ parameters }), aProfile(fields));
  } catch (error) {
    return (error as Error).message;
  }
}

describe('a placeholder in a host', () => {
  const refused = [
    { what: 'a domain', value: 'com.evil.example' },
    { what: 'two labels', value: 'a.b' },
    { what: 'another path', value: 'com/evil' },
    { what: 'credentials', value: 'com@evil' },
    { what: 'a port', value: 'com:8443' },
    { what: 'nothing', value: '' },
  ];
  const hosts = [
    'https://accounts.zoho.{region}/token',
    'https://{region}/token',
    'https://{region}.example',
    'https://api-{region}.example:8443/token?x=1',
    'https:{region}.example/token',
    'https:\\\\{region}.example/token',
  ];
  const rows = hosts.flatMap((host) => refused.map((one) => ({ host, ...one })));
  test.each(rows)('$host takes one label, not $what', ({ host, value }) => {
    expect(filled(host, { region: value })).toMatch(
      /^parameters\.region: must be one part of a host name, .* without dots, unless the profile's placeholder_values list it; the profile's token_endpoint needs it$/,
    );
  });

  test('takes one label', () => {
    expect(filled('https://accounts.zoho.{region}/token', { region: 'com' })).toBe(
      'https://accounts.zoho.com/token',
    );
    expect(filled('https://{shop}.example/token', { shop: 'acme-1' })).toBe('https://acme-1.example/token');
  });

  test('takes what the profile lists, dots and all', () => {
    const placeholder_values = { domain: ['login.acme.example'] };
    const template = 'https://{domain}/token';
    expect(filled(template, { domain: 'login.acme.example' }, { placeholder_values })).toBe(
      'https://login.acme.example/token',
    );
  });
});

describe('a placeholder with values', () => {
  const placeholder_values = { region: ['com', 'eu', 'com.au'] };
  test.each(['us', 'com.evil.example', 'EU', ''])('refuses %j and names those that are allowed', (region) => {
    expect(filled('https://id.{region}/t', { region }, { placeholder_values })).toBe(
      "parameters.region: must be one of com, eu, com.au; the profile's token_endpoint needs it",
    );
  });

  test('is held to them in headers and parameters too', () => {
    const field = 'token_request_parameters.region';
    expect(filled('{region}', { region: 'us' }, { placeholder_values, field })).toContain(
      'must be one of com',
    );
    expect(filled('{region}', { region: 'com.au' }, { placeholder_values, field })).toBe('com.au');
  });
});

describe('a placeholder elsewhere', () => {
  test('may have dots', () => {
    expect(filled('https://id.example/{realm}/t?a={realm}', { realm: 'a.b' })).toBe(
      'https://id.example/a.b/t?a=a.b',
    );
    const field = 'token_request_parameters.resource';
    expect(filled('https://{host}/', { host: 'a.b' }, { field })).toBe('https://a.b/');
  });

  test('that nobody gave is named', () => {
    expect(filled('https://id.example/{realm}', {})).toBe(
      "parameters.realm: is missing; the profile's token_endpoint needs it",
    );
  });

  test.each([
    {
      what: 'a key in a header',
      template: '{3F2504E0-4F89-11D3-9A0C-0305E82C3301}',
      field: 'token_request_headers.x-api-key',
    },
    { what: 'a part of a password', template: 'x{hunter2}y', field: 'token_request_parameters.api_password' },
    { what: 'a key in a URL', template: 'https://id.example/t?api_key={k3ysecret}', field: 'token_endpoint' },
  ])('that is $what in braces is not named', ({ template, field }) => {
    expect(filled(template, {}, { field })).toBe(`parameters.…: is missing; the profile's ${field} needs it`);
  });

  test('that looks like a value is not named where its value is refused either', () => {
    expect(filled('x{hunter2}y', { hunter2: '?' }, { field: 'token_request_parameters.key' })).toBe(
      'parameters.…: may hold letters, digits, ".", "_" and "-" only; the profile\'s token_request_parameters.key needs it',
    );
  });
});
