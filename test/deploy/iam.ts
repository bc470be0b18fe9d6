import { objectsIn, resourcesOf, type Json, type JsonObject, type Template } from './templates.js';

/** What a role may do: one action on one resource. */
export interface Grant {
  readonly action: string;
  readonly resource: Json;
  readonly condition: Json | undefined;
}

/** Everything the policies of a role allow, also under conditions, those it shares with others included. */
export function grantsOf(template: Template, role: string): Grant[] {
  const properties = template.Resources[role]?.Properties ?? {};
  const own = listOf(properties['Policies']).map(
    (policy) => (policy as JsonObject)['PolicyDocument'],
  );
  const shared = listOf(properties['ManagedPolicyArns']).map((arn) => {
    const { Ref: name } = arn as { readonly Ref: string };
    return template.Resources[name]?.Properties['PolicyDocument'];
  });
  return [...own, ...shared].flatMap(allowed);
}

/** The names of all roles. */
export const rolesOf = (template: Template): string[] =>
  resourcesOf(template, 'AWS::IAM::Role').map(([name]) => name);

/** Also those that stand in an Fn::If. */
function allowed(document: Json | undefined): Grant[] {
  return [...objectsIn(document)]
    .filter((statement) => statement['Effect'] === 'Allow')
    .flatMap(({ Action, Resource, Condition }) =>
      listOf(Action).flatMap((action) =>
        listOf(Resource).map((resource) => ({
          action: action as string,
          resource,
          condition: Condition,
        })),
      ),
    );
}

export function listOf(value: Json | undefined): readonly Json[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? (value as readonly Json[]) : [value];
}
