import { App, Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { readContext } from './context.ts';
import { OAuthTokenRefresherStack } from './stack.ts';

try {
  synthesize();
} catch (error) {
  // Usually a context value that can't work. A stack trace would not help.
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

function synthesize(): void {
  const app = new App({ analyticsReporting: false });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app, { verbose: true }));
  const { stage, prefix, segments, window, spread, tableArn, tableKeyArn, formerTables, ...context } =
    readContext((name) => app.node.tryGetContext(name));
  const { alarmEmail, runbookUrl, privateCidrs } = context;
  new OAuthTokenRefresherStack(app, `OAuthTokenRefresher-${stage}`, {
    secretNamePrefix: prefix,
    ...(segments !== undefined && { segments }),
    ...(window !== undefined && { refreshWindow: Duration.seconds(window) }),
    ...(spread !== undefined && { refreshSpread: Duration.seconds(spread) }),
    ...(tableArn !== undefined && { accountsTableArn: tableArn }),
    ...(tableKeyArn !== undefined && { accountsTableKeyArn: tableKeyArn }),
    formerAccountsTables: [...formerTables],
    privateAddressCidrs: [...privateCidrs],
    ...(alarmEmail !== undefined && { alarmEmail }),
    ...(runbookUrl !== undefined && { runbookUrl }),
    // The stage for trying things out leaves only its secrets behind.
    ...(stage === 'dev' && { removalPolicy: RemovalPolicy.DESTROY }),
    tags: { service: 'oauth-token-refresher', stage },
  });
  app.synth();
}
