import { Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { OAuthTokenRefresher } from './oauth-token-refresher.ts';
import { createOutputs } from './outputs.ts';
import type { OAuthTokenRefresherProps } from './settings/props.ts';

/** The settings of the refresher, and those of any stack. */
export interface OAuthTokenRefresherStackProps extends StackProps, OAuthTokenRefresherProps {}

/** One refresher in its own stack. The command line finds it by the stack's outputs. */
export class OAuthTokenRefresherStack extends Stack {
  readonly refresher: OAuthTokenRefresher;

  constructor(scope: Construct, id: string, props: OAuthTokenRefresherStackProps = {}) {
    super(scope, id, { description: 'Keeps OAuth access tokens fresh', ...props });
    this.refresher = new OAuthTokenRefresher(this, 'Refresher', { ...props, outputs: false });
    createOutputs(this, this.refresher);
  }
}
