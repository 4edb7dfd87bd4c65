import { Token } from 'aws-cdk-lib';
import { failed } from './checks.ts';
import type { OAuthTokenRefresherProps } from './props.ts';

/** What the function may reach, and from where. */
export function networkProblems(props: OAuthTokenRefresherProps): string[] {
  const { vpc, vpcSubnets, securityGroups, httpsProxy, noProxy = [] } = props;
  return [
    ...failed([
      [vpcSubnets !== undefined && vpc === undefined, 'vpcSubnets needs vpc, the VPC that they are in'],
      [
        securityGroups !== undefined && vpc === undefined,
        'securityGroups needs vpc, the VPC that they are in',
      ],
      [
        vpc?.selectSubnets(vpcSubnets).hasPublic === true,
        'vpcSubnets are public: the function gets no public address there, so it reaches nothing; use private ones with a NAT gateway, or with endpoints and a proxy (docs/deploy.md)',
      ],
      [
        securityGroups?.length === 0,
        'securityGroups is empty: name one or more, or leave it out for a new one',
      ],
      // Whoever may look at the function sees its environment, so the message must not show it either.
      [
        httpsProxy !== undefined && !Token.isUnresolved(httpsProxy) && !PROXY.test(httpsProxy),
        'httpsProxy must be the address of a proxy, such as "http://proxy.example.com:3128", without a path and without a password; let the proxy know the function by its address',
      ],
      [
        noProxy.length > 0 && httpsProxy === undefined,
        'noProxy needs httpsProxy, the proxy that is not used for these names',
      ],
    ]),
    ...noProxy
      .filter((name) => !Token.isUnresolved(name) && !NAME.test(name))
      .map(
        (name) =>
          `noProxy: "${name}" is not a name such as "id.example.com", or ".example.com" for all below it`,
      ),
    ...cidrProblems(props.privateAddressCidrs ?? []),
  ];
}

/** The function checks it in the same way. */
const PROXY = /^https?:\/\/[^\s/?#@]+\/?$/;
const NAME = /^(?:\*?\.)?[a-z\d_-]+(?:\.[a-z\d_-]+)*(?::\d{1,5})?$/i;

/** RFC 1918, 6598 and 4193. The function checks more closely. */
const PRIVATE_CIDR =
  /^(?:10|172\.(?:1[6-9]|2\d|3[01])|192\.168|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7]))(?:\.\d{1,3}){2,3}\/\d{1,2}$|^f[cd][\da-f]{2}:[\da-f:]*\/\d{1,3}$/i;

function cidrProblems(cidrs: readonly string[]): string[] {
  return cidrs
    .filter((cidr) => !Token.isUnresolved(cidr) && !PRIVATE_CIDR.test(cidr))
    .map(
      (cidr) =>
        `privateAddressCidrs: "${cidr}" is not a CIDR within 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 or fc00::/7, such as "10.1.0.0/16"`,
    );
}
