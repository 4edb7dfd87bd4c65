import { lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/** Which addresses may be called beside the public ones. */
export interface CallableAddresses {
  /** Permits this machine's own addresses, and plain http to them: for a provider on this machine. */
  readonly allowHttpLoopback: boolean;
  /** Of the private addresses, those that may be called. */
  readonly privateAddressCidrs?: readonly string[];
}

/** What is allowed, for messages. */
export const ALLOWED_ADDRESSES =
  "only public addresses are, private ones that PRIVATE_ADDRESS_CIDRS lists, and with ALLOW_HTTP_LOOPBACK this machine's own";

/** Addresses that are private by design (RFC 1918, 6598, 4193). */
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'];

/**
 * Addresses at which no provider is: all of IANA's special-purpose registries but those above, what is multicast or
 * reserved, and where clouds keep their metadata services. The registries are as of October 2025.
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
  // Teredo, ORCHID and other IETF protocols, examples, 6to4, sinks. What is not in 2000::/3 is no public address at all.
  ...['2001::/23', '2001:db8::/32', '3fff::/20', '2002::/16', '2620:4f:8000::/48'],
  // Metadata services of clouds that are not at link-local addresses.
  ...['100.100.100.200/32', '168.63.129.16/32', 'fd00:ec2::/32', 'fd20:ce::/32'],
];

const isPrivate = listOf(PRIVATE);
const isLoopback = listOf(['127.0.0.0/8', '::1/128']);
const isNever = listOf(NEVER);
const isGlobalUnicast = listOf(['2000::/3']);
/** An IPv4 address is their last 32 bits: mapped ones, and the prefix of NAT64, over which AWS's networks reach IPv4. */
const isMapped = listOf(['::ffff:0:0/96']);
const isNat64 = listOf(['64:ff9b::/96']);

type Kind = 'public' | 'private' | 'loopback' | 'never';

function kindOf(address: string): Kind {
  if (isNever(address)) return 'never';
  if (isLoopback(address)) return 'loopback';
  if (isPrivate(address)) return 'private';
  return isIP(address) === 4 || isGlobalUnicast(address) ? 'public' : 'never';
}

/** The address that is judged: where one embeds an IPv4 address, that one. */
function decisive(address: string): string {
  // The scope of a link-local address.
  const [plain = ''] = address.split('%');
  return isIP(plain) === 6 && (isMapped(plain) || isNat64(plain)) ? lastBits(plain) : plain;
}

/** The IPv4 address that the last 32 bits of an IPv6 address are. */
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

/** Why something can't be one of PRIVATE_ADDRESS_CIDRS, as a sentence's end; undefined where it can. */
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
    const judged = decisive(address);
    const kind = kindOf(judged);
    if (kind === 'private') return isAllowed(judged);
    return kind === 'public' || (kind === 'loopback' && allowHttpLoopback);
  };
}

/**
 * Resolves names as usual, and refuses every answer in which one address must not be called. As connections ask it
 * themselves, no second answer can differ from the one that was judged.
 */
export function guardedLookup(addresses: CallableAddresses): LookupFunction {
  const mayCall = callable(addresses);
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, '');
      if (!found.every(({ address }) => mayCall(address)))
        return callback(
          Object.assign(new Error('the address is not allowed'), { code: 'ADDRESS_NOT_ALLOWED' }),
          '',
        );
      if (options.all) return callback(null, found);
      const [first] = found;
      callback(null, first?.address ?? '', first?.family);
    });
  };
}

/** Why a URL must not be called, or undefined. What a name leads to is for `guardedLookup` to judge. */
export function refusalOf(url: URL, addresses: CallableAddresses): string | undefined {
  const { allowHttpLoopback } = addresses;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const isAddress = isIP(host) !== 0;
  const local = host === 'localhost' || (isAddress && isLoopback(decisive(host)));
  if (url.protocol === 'http:' && !(allowHttpLoopback && local)) return 'must use https';
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must use https';
  if (url.username !== '' || url.password !== '') return 'must not hold credentials';
  if ((local && !allowHttpLoopback) || (isAddress && !callable(addresses)(host)))
    return `leads to an address that is not allowed: ${ALLOWED_ADDRESSES}`;
  return undefined;
}
