/** A JSON object: no array, and not null. */
export type JsonObject = Record<string, unknown>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Parses text that must hold a JSON object; undefined where it does not. A byte order mark is skipped. */
export function parseJsonObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text.replace(/^\uFEFF+/, ''));
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
