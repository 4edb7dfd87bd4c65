import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';

/**
 * Notes what time a service has, by the date of its first response to come.
 *
 * @returns what was noted, milliseconds since the epoch; undefined before a response, or where it has no date
 */
export function noteServiceTime({
  middlewareStack,
}: Pick<DynamoDBDocumentClient, 'middlewareStack'>): () => number | undefined {
  let noted: number | undefined;
  middlewareStack.add(
    (next) => async (request) => {
      const output = await next(request);
      const date = Date.parse((output.response as { headers?: Record<string, string> }).headers?.date ?? '');
      if (!Number.isNaN(date)) noted ??= date;
      return output;
    },
    { step: 'deserialize', name: 'noteServiceTime', priority: 'low', override: true },
  );
  return () => noted;
}
