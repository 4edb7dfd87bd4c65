import { describe, expect, test, vi } from 'vitest';
import {
  type CallableAddresses,
  flawOfPrivateCidr,
  guardedLookup,
  refusalOf,
} from '../../adapters/oauth/addresses.ts';
import { createHttpsClient } from '../../adapters/oauth/https-request.ts';
import { RequestFailed } from '../../adapters/oauth/request-failed.ts';

/** What names lead to, at the first and at the next look-up; no name server could be asked here. */
const answers = new Map<string, string[][]>();
vi.mock('node:dns/promises', async (original) => {
  const dns = await original<typeof import('node:dns/promises')>();
  const known = (name: string, family: 4 | 6) => {
    const found = answers.get(name)?.[0]?.filter((address) => address.includes(':') === (family === 6)) ?? [];
    if (found.length > 0) return found;
    throw Object.assign(new Error(name), { code: answers.has(name) ? 'ENODATA' : 'ENOTFOUND' });
  };
  return {
    ...dns,
    Resolver: class {
      resolve4 = async (name: string) => known(name, 4);
      resolve6 = async (name: string) => known(name, 6);
    },
  };
});

/** Asks for a name as a connection does. */
function lookedUp(addresses: CallableAddresses, name: string, options: { all?: boolean } = {}) {
  return new Promise<unknown[]>((resolve) => {
    guardedLookup(addresses)(name, options, (...heard) => resolve(heard));
  });
}

const closed: CallableAddresses = { allowHttpLoopback: false };
const local: CallableAddresses = { allowHttpLoopback: true };
const within = (...privateAddressCidrs: string[]): CallableAddresses => ({ ...closed, privateAddressCidrs });
const notAllowed =
  /^leads to an address that is not allowed: only public addresses are, private ones that PRIVATE_ADDRESS_CIDRS lists, and with ALLOW_HTTP_LOOPBACK this machine's own$/;

const urlOf = (address: string) =>
  new URL(`https://${address.includes(':') ? `[${address}]` : address}/token`);

/** Judged twice: in an address, and behind a name, as a connection asks for it. */
async function isCalled(address: string, addresses: CallableAddresses): Promise<boolean> {
  const refusal = refusalOf(urlOf(address), addresses);
  if (refusal !== undefined) expect(refusal).toMatch(notAllowed);
  answers.set('some.example', [[address]]);
  const [error] = await lookedUp(addresses, 'some.example', { all: true });
  const code = (error as { code?: string } | null)?.code;
  expect([undefined, 'ADDRESS_NOT_ALLOWED']).toContain(code);
  expect({ address, inAddress: refusal === undefined }).toEqual({ address, inAddress: code === undefined });
  return refusal === undefined;
}

const embedding = (address: string) => {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  const bits = `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  return {
    mapped: `::ffff:${bits}`,
    nat64: `64:ff9b::${bits}`,
    compatible: `::${bits}`,
    sixToFour: `2002:${bits}::1`,
  };
};

/** Nothing allows these. */
const never = {
  'this network': ['0.0.0.0', '0.1.2.3'],
  'link-local, where metadata services are': ['169.254.169.254', '169.254.170.2', '169.254.0.0'],
  'IETF protocols': ['192.0.0.1', '192.0.0.192', '192.0.0.255'],
  examples: ['192.0.2.1', '198.51.100.7', '203.0.113.255'],
  benchmarks: ['198.18.0.1', '198.19.255.255'],
  'relays and sinks': ['192.88.99.1', '192.31.196.1', '192.52.193.1', '192.175.48.1'],
  multicast: ['224.0.0.1', '239.255.255.255'],
  'reserved, and broadcast': ['240.0.0.1', '255.255.255.255'],
  'metadata services elsewhere': ['100.100.100.200', '168.63.129.16', 'fd00:ec2::254', 'fd20:ce::254'],
  'unspecified, link-local, site-local and multicast': [
    '::',
    'fe80::1',
    'fe80::1',
    'febf::1',
    'fec0::1',
    'ff02::1',
  ],
  'IPv4-compatible and translated': ['::a9fe:a9fe', '::808:808', '::ffff:0:808:808', '64:ff9b:1::a9fe:a9fe'],
  '6to4 and Teredo': ['2002:a9fe:a9fe::', '2002:808:808::1', '2001:0:808:808::1', '2001::1'],
  'ORCHID and IETF protocols': ['2001:10::1', '2001:20::1', '2001:2::1', '2001:1ff:ffff::1'],
  'examples of IPv6': ['2001:db8::1', '3fff::1', '3fff:fff:ffff::1'],
  'segment routing, discard, sinks': ['5f00::1', '100::1', '100:0:0:1::1', '2620:4f:8000::1'],
  'nowhere assigned': ['4000::1', '8000::1', 'e000::1', '1::1'],
};
const privates = [
  '10.0.0.1',
  '10.255.255.255',
  '172.16.0.1',
  '172.31.255.254',
  '192.168.1.1',
  '100.64.0.1',
  '100.127.255.1',
];
const privatesOfIpv6 = ['fc00::1', 'fd12:3456::1', 'fdff:ffff::1'];
const everything = within('10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7');

describe('never called, whatever is allowed', () => {
  test.each(Object.entries(never))('%s', async (_, addresses) => {
    for (const address of addresses) expect(await isCalled(address, { ...everything, ...local })).toBe(false);
  });

  test('an IPv6 address that embeds an IPv4 one that is not', async () => {
    for (const address of Object.values(never)
      .flat()
      .filter((one) => !one.includes(':'))) {
      const { mapped, nat64, compatible, sixToFour } = embedding(address);
      for (const one of [mapped, nat64, compatible, sixToFour])
        expect({ one, called: await isCalled(one, { ...everything, ...local }) }).toEqual({
          one,
          called: false,
        });
    }
  });
});

describe('called', () => {
  test.each([
    '8.8.8.8',
    '1.1.1.1',
    '100.63.255.255',
    '100.128.0.0',
    '172.15.0.1',
    '172.32.0.1',
    '192.0.1.1',
    '223.255.255.255',
  ])('public %s, also mapped or by NAT64', async (address) => {
    const { mapped, nat64 } = embedding(address);
    for (const one of [address, mapped, nat64]) expect(await isCalled(one, closed)).toBe(true);
  });

  test.each([
    '2606:4700::1111',
    '2001:200::1',
    '2001:4860:4860::8888',
    '2a00::1',
    '2600:1f18::1',
    '3ffe::1',
  ])('public %s', async (address) => expect(await isCalled(address, closed)).toBe(true));
});

describe('private addresses', () => {
  test.each([
    ...privates,
    ...privatesOfIpv6,
  ])('%s is called where it is listed, and nowhere else', async (address) => {
    expect(await isCalled(address, closed)).toBe(false);
    expect(await isCalled(address, local)).toBe(false);
    expect(await isCalled(address, within(`${address}/${address.includes(':') ? 128 : 32}`))).toBe(true);
    expect(await isCalled(address, everything)).toBe(true);
    expect(await isCalled(address, within('10.77.0.0/16', 'fd77::/16'))).toBe(false);
  });

  test.each(privates)('%s is judged the same where it is embedded', async (address) => {
    const { mapped, nat64, compatible, sixToFour } = embedding(address);
    for (const one of [mapped, nat64]) {
      expect(await isCalled(one, closed)).toBe(false);
      expect(await isCalled(one, within(`${address}/32`))).toBe(true);
    }
    for (const one of [compatible, sixToFour]) expect(await isCalled(one, everything)).toBe(false);
  });
});

describe('this machine’s own addresses', () => {
  test.each([
    '127.0.0.1',
    '127.255.255.254',
    '::1',
    '::ffff:7f00:1',
  ])('%s are called where that is allowed', async (address) => {
    expect(await isCalled(address, closed)).toBe(false);
    expect(await isCalled(address, everything)).toBe(false);
    expect(await isCalled(address, local)).toBe(true);
  });

  test.each([
    'http://127.0.0.1:8080/',
    'http://[::1]/',
    'http://localhost/',
    'https://localhost/',
    'https://127.1/',
  ])('%s is one of them', (url) => {
    expect(refusalOf(new URL(url), closed)).toMatch(
      url.startsWith('https') ? notAllowed : /^must use https$/,
    );
    expect(refusalOf(new URL(url), local)).toBeUndefined();
  });
});

describe('a URL', () => {
  test.each([
    { url: 'http://id.example/token', refusal: 'must use https' },
    { url: 'http://10.0.0.1/token', refusal: 'must use https' },
    { url: 'ftp://127.0.0.1/', refusal: 'must use https' },
    { url: 'https://user:secret@id.example/', refusal: 'must not hold credentials' },
  ])('$url $refusal', ({ url, refusal }) => {
    expect(refusalOf(new URL(url), { ...everything, ...local })).toBe(refusal);
  });

  test.each([
    'https://2852039166/',
    'https://0xa9fea9fe/',
    'https://0251.0376.0251.0376/',
    'https://169.254.43518/',
  ])('%s is an address, however it is written', (url) =>
    expect(refusalOf(new URL(url), local)).toMatch(notAllowed));
});

describe('a name', () => {
  test('is refused where one of its addresses is', async () => {
    answers.set('mixed.example', [['8.8.8.8', '10.0.0.1']]);
    const [error] = await lookedUp(closed, 'mixed.example', { all: true });
    expect(error).toMatchObject({ code: 'ADDRESS_NOT_ALLOWED' });
  });

  test('is refused where an address has a scope', async () => {
    answers.set('scoped.example', [['fe80::1%eth0']]);
    expect((await lookedUp(everything, 'scoped.example'))[0]).toMatchObject({ code: 'ADDRESS_NOT_ALLOWED' });
  });

  test('is judged anew for each connection, by the answer that it gets', async () => {
    answers.set('rebinding.example', [['8.8.8.8']]);
    expect(await lookedUp(closed, 'rebinding.example')).toEqual([null, '8.8.8.8', 4]);
    answers.set('rebinding.example', [['169.254.169.254']]);
    expect((await lookedUp(closed, 'rebinding.example'))[0]).toMatchObject({ code: 'ADDRESS_NOT_ALLOWED' });
  });

  test('has all its addresses tried', async () => {
    answers.set('both.example', [['8.8.8.8', '2606:4700::1111']]);
    expect(await lookedUp(closed, 'both.example', { all: true })).toEqual([
      null,
      [
        { address: '8.8.8.8', family: 4 },
        { address: '2606:4700::1111', family: 6 },
      ],
    ]);
  });

  test('that only this machine knows is looked up as the machine does', async () => {
    expect(await lookedUp(local, 'localhost', { all: true })).toEqual([
      null,
      expect.arrayContaining([{ address: '127.0.0.1', family: 4 }]),
    ]);
    expect((await lookedUp(closed, 'localhost'))[0]).toMatchObject({ code: 'ADDRESS_NOT_ALLOWED' });
  });

  test('that can’t be resolved says so', async () => {
    const client = createHttpsClient(closed);
    const signal = AbortSignal.timeout(5_000);
    const failure = await client
      .send('https://nowhere.invalid/', { method: 'GET', headers: {}, signal, profile: 'crm' })
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(RequestFailed);
    expect(failure).toMatchObject({ sent: 'no' });
    client.close();
  });
});

describe('PRIVATE_ADDRESS_CIDRS takes', () => {
  test.each([
    '10.0.0.0/8',
    '10.1.2.0/24',
    '10.1.2.3/32',
    '192.168.0.0/16',
    '172.16.0.0/12',
    '100.64.0.0/10',
    'fc00::/7',
    'fd12::/48',
  ])('%s', (cidr) => expect(flawOfPrivateCidr(cidr)).toBeUndefined());

  test.each([
    ...[
      '10.0.0.0',
      '10.0.0.0/',
      '10.0.0.0/33',
      '10.0.0.0/7',
      '10.0.0.0/08a',
      '10.0.0/8',
      'ten/8',
      '/8',
      '',
      'fd12::/129',
    ],
    ...[
      '0.0.0.0/0',
      '::/0',
      '169.254.0.0/16',
      '127.0.0.0/8',
      '8.8.8.0/24',
      '172.16.0.0/11',
      'fe80::/10',
      'ff00::/8',
    ],
    ...[
      '::ffff:10.0.0.0/104',
      '64:ff9b::/96',
      'fd00:ec2::/32',
      '100.100.100.200/32',
      '10.0.0.0/8/8',
      'fe80::1%1/128',
    ],
  ])('not %s', (cidr) => {
    expect(flawOfPrivateCidr(cidr)).toBe(
      'must be CIDRs within 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, fc00::/7, such as 10.1.0.0/16',
    );
  });
});
