import type { LookupAddress } from 'node:dns';
import { lookup, Resolver } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/** Which addresses may be called besides the public ones. */
export interface CallableAddresses {
  /** Allows this machine's own addresses, and plain http to them: for a provider on this machine. */
  readonly allowHttpLoopback: boolean;
  /** The private addresses that may be called. */
  readonly privateAddressCidrs?: readonly string[];
}

/** What is allowed, in the words of messages. */
export const ALLOWED_ADDRESSES =
  "only public addresses are, private ones that PRIVATE_ADDRESS_CIDRS lists, and with ALLOW_HTTP_LOOPBACK this machine's own";

/** Addresses that are private by design (RFC 1918, 6598, 4193). */
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'];

/**
 * Addresses that no provider has: all of IANA's special-purpose registries except those above, multicast and reserved ones, and
 * those of clouds' metadata services. The registries are as of October 2025.
 *
 * @see https://www.iana.org/assignments/iana-ipv4-special-registry
 * @see https://www.iana.org/assignments/iana-ipv6-special-registry
 */
const NEVER = [
  // This network, link-local, IETF protocols, examples, relays and sinks, benchmarks, multicast, reserved.
  ...['0.0.0.0/8', '169.254.0.0/16', '192.0.0.0/24', '192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24'],
  ...[
    '192.31.196.0/24',
    '192.52.193.0/24',
    '192.88.99.0/24',
    '192.175.48.0/24',
    '198.18.0.0/15',
    '224.0.0.0/3',
  ],
  // Teredo, ORCHID and other IETF protocols, examples, 6to4, sinks. Nothing outside of 2000::/3 is public.
  ...['2001::/23', '2001:db8::/32', '3fff::/20', '2002::/16', '2620:4f:8000::/48'],
  // Metadata services of clouds that are not at link-local addresses.
  ...['100.100.100.200/32', '168.63.129.16/32', 'fd00:ec2::/32', 'fd20:ce::/32'],
];

const isPrivate = listOf(PRIVATE);
const isLoopback = listOf(['127.0.0.0/8', '::1/128']);
const isNever = listOf(NEVER);
const isGlobalUnicast = listOf(['2000::/3']);
/** Their last 32 bits are an IPv4 address: mapped ones, and the prefix of NAT64, with which AWS's networks reach IPv4. */
const isMapped = listOf(['::ffff:0:0/96']);
const isNat64 = listOf(['64:ff9b::/96']);

type Kind = 'public' | 'private' | 'loopback' | 'never';

function kindOf(address: string): Kind {
  if (isNever(address)) return 'never';
  if (isLoopback(address)) return 'loopback';
  if (isPrivate(address)) return 'private';
  return isIP(address) === 4 || isGlobalUnicast(address) ? 'public' : 'never';
}

/** The address to judge: an IPv4 address where one is embedded. */
function innerAddress(address: string): string {
  // Without the scope of a link-local address.
  const [plain = ''] = address.split('%');
  return isIP(plain) === 6 && (isMapped(plain) || isNat64(plain)) ? lastBits(plain) : plain;
}

/** The last 32 bits of an IPv6 address as an IPv4 address. */
function lastBits(address: string): string {
  const groups = new URL(`http://[${address}]/`).hostname.slice(1, -1).split(':');
  return groups
    .slice(-2)
    .map((group) => Number.parseInt(group || '0', 16))
    .flatMap((bits) => [bits >> 8, bits & 0xff])
    .join('.');
}

function listOf(cidrs: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [network = '', length] = cidr.split('/');
    list.addSubnet(network, Number(length), familyOf(network));
  }
  return (address) => list.check(address, familyOf(address));
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}

/** Why something can't be one of PRIVATE_ADDRESS_CIDRS, as the end of a sentence; undefined where it can. */
export function flawOfPrivateCidr(cidr: string): string | undefined {
  const [, network = '', length = ''] = /^([\da-f.:]+)\/(\d{1,3})$/i.exec(cidr) ?? [];
  const most = isIP(network) === 6 ? 128 : 32;
  const within = PRIVATE.some((known) => {
    const ofSameFamily = isIP(network) !== 0 && known.includes(':') === network.includes(':');
    return ofSameFamily && listOf([known])(network) && Number(length) >= Number(known.split('/')[1]);
  });
  if (within && Number(length) <= most && kindOf(network) === 'private') return undefined;
  return `must be CIDRs within ${PRIVATE.join(', ')}, such as 10.1.0.0/16`;
}

type MayCall = (address: string) => boolean;

function callable({ allowHttpLoopback, privateAddressCidrs = [] }: CallableAddresses): MayCall {
  const isAllowed = listOf(privateAddressCidrs);
  return (address) => {
    const judged = innerAddress(address);
    const kind = kindOf(judged);
    if (kind === 'private') return isAllowed(judged);
    return kind === 'public' || (kind === 'loopback' && allowHttpLoopback);
  };
}

/** Milliseconds that a name server has to answer, at the first of two tries. */
const DNS_TIMEOUT = 2_000;
/** The name servers don't know the name, or there are none. The system may have another source. */
const unknownName: readonly unknown[] = ['ENOTFOUND', 'ENODATA', 'ECONNREFUSED'];

/**
 * The addresses of a name, asked of the name servers directly. The system's own way (`getaddrinfo`) takes one of four threads
 * that the whole process shares: a few names whose servers never answer would block all others, the AWS SDK's too. It is
 * used only for names that this machine knows itself.
 */
async function resolve(hostname: string, ownNames: ReadonlySet<string>): Promise<LookupAddress[]> {
  if (ownNames.has(hostname)) return await lookup(hostname, { all: true });
  const resolver = new Resolver({ timeout: DNS_TIMEOUT, tries: 2 });
  const answers = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
  const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  if (found.length > 0) return found.map((address) => ({ address, family: isIP(address) }));
  const failures = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
  const lasting = failures.find(({ code }) => !unknownName.includes(code));
  if (lasting !== undefined) throw lasting;
  return await lookup(hostname, { all: true });
}

/** The names that this machine knows itself. */
function readOwnNames(): ReadonlySet<string> {
  try {
    return new Set(['localhost', ...readFileSync('/etc/hosts', 'utf8').split(/\s+/)]);
  } catch {
    return new Set(['localhost']);
  }
}

/**
 * Resolves names, and refuses a name if any of its addresses must not be called. Connections use the very addresses that were
 * checked here, so that no second look-up can bring others.
 */
export function guardedLookup(addresses: CallableAddresses): LookupFunction {
  const mayCall = callable(addresses);
  // Read once: a look-up is made for each request.
  const ownNames = readOwnNames();
  const judged = async (hostname: string): Promise<LookupAddress[]> => {
    const found = await resolve(hostname, ownNames);
    if (found.every(({ address }) => mayCall(address))) return found;
    throw Object.assign(new Error('the address is not allowed'), { code: 'ADDRESS_NOT_ALLOWED' });
  };
  return (hostname, { all }, callback) => {
    judged(hostname).then(
      (found) => (all ? callback(null, found) : callback(null, found[0]?.address ?? '', found[0]?.family)),
      (error) => callback(error, ''),
    );
  };
}

/**
 * Why a URL must not be called, or undefined. `guardedLookup` checks the addresses behind a name, except where a proxy resolves
 * it.
 */
export function refusalOf(url: URL, addresses: CallableAddresses): string | undefined {
  const { allowHttpLoopback } = addresses;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const isAddress = isIP(host) !== 0;
  const local = /^(.+\.)?localhost\.?$/.test(host) || (isAddress && isLoopback(innerAddress(host)));
  if (url.protocol === 'http:' && !(allowHttpLoopback && local)) return 'must use https';
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must use https';
  if (url.username !== '' || url.password !== '') return 'must not hold credentials';
  if ((local && !allowHttpLoopback) || (isAddress && !callable(addresses)(host)))
    return `leads to an address that is not allowed: ${ALLOWED_ADDRESSES}`;
  return undefined;
}
