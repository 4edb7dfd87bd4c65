import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import type { OAuthTokenRefresherProps } from '../../infra/settings/props.ts';
import { OAuthTokenRefresherStack } from '../../infra/stack.ts';

export function templateOf(props: OAuthTokenRefresherProps = {}): Template {
  const app = new App({ analyticsReporting: false });
  return Template.fromStack(new OAuthTokenRefresherStack(app, 'Test', props));
}

/** An alarm, as CloudFormation is told it. */
export interface AlarmProperties {
  readonly AlarmName: string;
  readonly AlarmDescription: string;
  readonly EvaluationPeriods: number;
  readonly DatapointsToAlarm: number;
  readonly TreatMissingData: string;
  readonly ComparisonOperator: string;
  readonly Threshold: number;
  readonly Period?: number;
  readonly Statistic?: string;
  readonly Namespace?: string;
  readonly MetricName?: string;
  readonly Dimensions?: readonly { readonly Name: string; readonly Value: unknown }[];
  readonly Metrics?: readonly {
    readonly Expression?: string;
    readonly MetricStat?: { readonly Period: number };
  }[];
  readonly AlarmActions: readonly unknown[];
  readonly OKActions: readonly unknown[];
}

/** The alarms by the last part of their names. */
export function alarmsOf(template: Template): ReadonlyMap<string, AlarmProperties> {
  const alarms = Object.values(template.findResources('AWS::CloudWatch::Alarm')).map(
    ({ Properties }) => Properties as AlarmProperties,
  );
  return new Map(alarms.map((alarm) => [alarm.AlarmName.replace(/^.*-/, ''), alarm]));
}

export interface Widget {
  readonly type: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly properties: {
    readonly title?: string;
    readonly query?: string;
    readonly alarms?: readonly string[];
    readonly metrics?: readonly (readonly unknown[])[];
  };
}

/** The dashboard's widgets; what is known only when it is deployed is written as <name>. */
export function widgetsOf(template: Template): readonly Widget[] {
  const [dashboard] = Object.values(template.findResources('AWS::CloudWatch::Dashboard'));
  const parts: unknown[] = dashboard?.Properties.DashboardBody['Fn::Join'][1];
  const known = parts.map((part) =>
    typeof part === 'string' ? part : `<${Object.values(part as Record<string, unknown>).flat()[0]}>`,
  );
  return JSON.parse(known.join('')).widgets;
}
