import { createHash } from 'node:crypto';
import { Stack, Token } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

const LONGEST = 100;

/**
 * What tells a deployment's metrics, alarms and dashboard from those of others in its AWS account: the name of its stack and
 * its path in there. So the same path under two stack names, such as blue and green, is two deployments.
 */
export function serviceName(construct: IConstruct): string {
  const scopes = construct.node.scopes;
  // A nested stack has a name only once it is deployed.
  const top = scopes.findIndex((scope) => Stack.isStack(scope));
  const { stackName } = scopes[top] as Stack;
  const inside = scopes.slice(top + 1).map(({ node }) => node.id);
  const start = Token.isUnresolved(stackName) ? scopes[top]?.node.path : stackName;
  const name = [start, ...inside].join('/').replaceAll(/[^A-Za-z0-9]+/g, '-');
  if (name.length <= LONGEST) return name;
  const rest = createHash('sha256').update(name).digest('hex').slice(0, 8);
  return `${name.slice(0, LONGEST - rest.length - 1)}-${rest}`;
}
