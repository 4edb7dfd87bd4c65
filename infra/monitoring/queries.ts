import { CfnQueryDefinition, type ILogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

/** A question to the function's log, in the language of CloudWatch Logs Insights. */
export interface LogQuery {
  /** Ends its name in CloudWatch, after the deployment's. */
  readonly name: string;
  /** One sentence, for the page of the log's fields. */
  readonly asks: string;
  /** Commands, one after another. Words in capitals are for the reader to replace. */
  readonly lines: readonly string[];
}

/** The queries of the stack. The dashboard shows some of them. */
export const LOG_QUERIES = {
  accountHistory: {
    name: 'account-history',
    asks: 'What happened to an account, newest first?',
    lines: [
      'fields @timestamp, level, status, reason, httpStatus, exchangeMs, message, runId',
      'filter accountId = "ACCOUNT"',
      'sort @timestamp desc',
      'limit 10000',
    ],
  },
  runLines: {
    name: 'run',
    asks: 'What did a run say, from its beginning? An event names its run.',
    lines: [
      'fields @timestamp, level, accountId, oauthProfile, reason, status, message',
      'filter runId = "RUN"',
      'sort @timestamp asc',
      'limit 10000',
    ],
  },
  profileFailures: {
    name: 'profile-failures',
    asks: "Why do a profile's accounts fail?",
    lines: [
      'filter oauthProfile = "PROFILE" and ispresent(status) and status != "healthy"',
      'stats count(*) as failures, count_distinct(accountId) as accounts, earliest(@timestamp) as since, latest(@timestamp) as last, latest(message) as lastMessage by reason, httpStatus',
      'sort accounts desc',
    ],
  },
  failuresByProfile: {
    name: 'failures-by-profile',
    asks: 'Which profiles fail, and why?',
    lines: [
      'filter ispresent(oauthProfile) and ispresent(status) and status != "healthy"',
      'stats count_distinct(accountId) as accounts, count(*) as failures, latest(message) as lastMessage by oauthProfile, reason',
      'sort accounts desc',
      'limit 1000',
    ],
  },
  slowProviders: {
    name: 'slow-providers',
    asks: 'How long do providers take, in milliseconds?',
    lines: [
      'filter ispresent(exchangeMs)',
      'stats count(*) as requests, pct(exchangeMs, 50) as half, pct(exchangeMs, 95) as p95, pct(exchangeMs, 99) as p99, max(exchangeMs) as longest by oauthProfile',
      'sort p95 desc',
      'limit 1000',
    ],
  },
  providerRequests: {
    name: 'provider-requests',
    asks: "Which ids has the provider given an account's token requests? Its support asks for them.",
    lines: [
      'fields @timestamp, providerRequestId, httpStatus, exchangeMs, reason, attemptId',
      'filter accountId = "ACCOUNT" and (ispresent(providerRequestId) or ispresent(httpStatus))',
      'sort @timestamp desc',
      'limit 1000',
    ],
  },
  needsAPerson: {
    name: 'needs-a-person',
    asks: 'Which accounts came to need a person in the time shown, and still do?',
    lines: [
      'filter ispresent(accountId) and ispresent(status)',
      'stats latest(status) as lastStatus, latest(reason) as lastReason, latest(message) as lastMessage by accountId, oauthProfile',
      'filter lastStatus = "reauthorization_required"',
      'display accountId, oauthProfile, lastReason, lastMessage',
      'limit 10000',
    ],
  },
} as const satisfies Record<string, LogQuery>;

/** Saves the queries in CloudWatch, in a folder with the deployment's name. They cost nothing until they are run. */
export function createQueries(scope: Construct, service: string, logGroup: ILogGroup): void {
  const queries = new Construct(scope, 'Queries');
  for (const [id, { name, lines }] of Object.entries(LOG_QUERIES))
    new CfnQueryDefinition(queries, id, {
      name: `${service}/${name}`,
      queryString: lines.join('\n| '),
      logGroupNames: [logGroup.logGroupName],
    });
}
