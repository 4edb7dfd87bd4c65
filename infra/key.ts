import type { RemovalPolicy } from 'aws-cdk-lib';
import { AccountRootPrincipal, PolicyDocument, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';

/**
 * Creates a key that rotates. The usual policy gives the account `kms:*`; this one lists each action.
 *
 * @param what it encrypts, for its description
 */
export function createKey(scope: Construct, id: string, what: string, removalPolicy: RemovalPolicy): Key {
  return new Key(scope, id, {
    description: `OAuth token refresher: ${what}`,
    enableKeyRotation: true,
    removalPolicy,
    policy: new PolicyDocument({
      statements: [
        new PolicyStatement({
          principals: [new AccountRootPrincipal()],
          actions: Array.from(ACTIONS.matchAll(/\w+/g), ([action]) => `kms:${action}`),
          resources: ['*'],
        }),
      ],
    }),
  });
}

/** First those that administer the key, then those that use it. */
const ACTIONS = `
  CancelKeyDeletion CreateAlias CreateGrant DeleteAlias DescribeKey DisableKey DisableKeyRotation
  EnableKey EnableKeyRotation GetKeyPolicy GetKeyRotationStatus ListGrants ListKeyPolicies
  ListKeyRotations ListResourceTags PutKeyPolicy RetireGrant RevokeGrant RotateKeyOnDemand
  ScheduleKeyDeletion TagResource UntagResource UpdateAlias UpdateKeyDescription
  Decrypt Encrypt GenerateDataKey GenerateDataKeyWithoutPlaintext ReEncryptFrom ReEncryptTo`;
