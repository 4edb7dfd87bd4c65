import { cutMiddleTo, segmentsOf, widthOf } from './display-text.ts';

/** The fewest cells to which an id is shortened. */
export const SHORTEST_ID = 8;

/**
 * Shortens ids in their middle to so many cells, so that no two different ones look the same. Where the ends don't tell them
 * apart, the part in which they differ is shown between them.
 *
 * @returns what to show for each id; undefined where so few cells can't tell them apart
 */
export function shortenedIds(ids: Iterable<string>, width: number): ReadonlyMap<string, string> | undefined {
  const shown = new Map<string, string>();
  const taken = new Set<string>();
  const take = (id: string, text: string) => {
    if (taken.has(text) || widthOf(text) > width) return false;
    taken.add(text);
    shown.set(id, text);
    return true;
  };
  const all = [...new Set(ids)];
  const long = all.filter((id) => widthOf(id) > width);
  for (const id of all) if (widthOf(id) <= width) take(id, id);
  for (const [text, alike] of Map.groupBy(long, (id) => cutMiddleTo(id, width))) {
    const [only = ''] = alike;
    if (alike.length === 1 && take(only, text)) continue;
    const apart = toldApart(alike, width);
    if (apart === undefined || !alike.every((id, index) => take(id, apart[index] ?? ''))) return undefined;
  }
  return shown;
}

/** The fewest cells that tell the ids apart; as many as the longest has where nothing less does. */
export function leastWidthOf(ids: Iterable<string>): number {
  const all = [...new Set(ids)];
  const longest = all.reduce((most, id) => Math.max(most, widthOf(id)), 0);
  let [low, high] = [Math.min(SHORTEST_ID, longest), longest];
  // Where few cells don't do, fewer hardly ever do.
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (shortenedIds(all, middle) === undefined) low = middle + 1;
    else high = middle;
  }
  return high;
}

/** Ids whose ends are the same: a bit of the beginning, what differs, a bit of the end. */
function toldApart(ids: readonly string[], width: number): readonly string[] | undefined {
  const parts = ids.map(segmentsOf);
  const shortest = parts.reduce((least, { length }) => Math.min(least, length), Number.POSITIVE_INFINITY);
  const start = sharedBy(parts, (segments, at) => segments[at], shortest);
  const end = sharedBy(parts, (segments, at) => segments[segments.length - 1 - at], shortest - start);
  const differing = parts.map((segments) => segments.slice(start, segments.length - end));
  for (let length = 1; length <= width - 2; length++) {
    const windows = differing.map((segments) => segments.slice(0, length).join(''));
    if (new Set(windows).size < ids.length) continue;
    const left = width - 2 - length;
    const head = Math.min(start, Math.ceil(left / 2));
    const tail = left - head;
    return parts.map(
      (segments, index) =>
        `${segments.slice(0, head).join('')}…${windows[index]}…${tail === 0 ? '' : segments.slice(-tail).join('')}`,
    );
  }
  return undefined;
}

/** How many places, from one end on, are the same in all. */
function sharedBy(
  parts: readonly (readonly string[])[],
  partAt: (segments: readonly string[], at: number) => string | undefined,
  most: number,
): number {
  const [first = []] = parts;
  let shared = 0;
  while (shared < most && parts.every((segments) => partAt(segments, shared) === partAt(first, shared)))
    shared++;
  return shared;
}
