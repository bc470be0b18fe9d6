import { objectsIn, resourcesOf, type Json, type Template } from './templates.js';

/** A metric that is read: its namespace, as it is written, and its name. */
export interface Read {
  readonly namespace: string;
  readonly name: string;
}

/** What stands for the stack's own namespace. */
export const OWN = 'the stack';

/** Every metric that alarms, scaling policies and dashboards of a template read. */
export function metricsRead(template: Template): Read[] {
  const named = [...objectsIn(template.Resources as Json)].flatMap((one) => {
    const { Namespace: namespace, MetricName: name } = one;
    return typeof name === 'string' ? [{ namespace: namespaceOf(namespace), name }] : [];
  });
  const shown = resourcesOf(template, 'AWS::CloudWatch::Dashboard').flatMap(
    ([, { DashboardBody }]) => [...objectsIn(bodyOf(DashboardBody))].flatMap(metricsOfWidget),
  );
  return [...named, ...shown];
}

/** A dashboard's body, with the names that are put into it as they are. */
export function bodyOf(body: Json | undefined): Json {
  const { 'Fn::Sub': text } = body as { readonly 'Fn::Sub': string };
  return JSON.parse(text.replaceAll('${AWS::StackName}', OWN)) as Json;
}

function namespaceOf(namespace: Json | undefined): string {
  if (typeof namespace === 'string') return namespace;
  const { Ref } = namespace as { readonly Ref: string };
  return Ref === 'AWS::StackName' ? OWN : Ref;
}

/** In a widget `.` is what stands in the same place of the metric before. */
function metricsOfWidget({ metrics }: { readonly metrics?: Json }): Read[] {
  if (!Array.isArray(metrics)) return [];
  let before: readonly Json[] = [];
  return (metrics as readonly (readonly Json[])[]).map((line) => {
    before = line.map((part, at) => (part === '.' ? (before[at] as Json) : part));
    const [namespace, name] = before as readonly [string, string];
    return { namespace, name };
  });
}
