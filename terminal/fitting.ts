/**
 * How many of the first rows fit: the most, up to `most`, whose lines are no more than there is room for. One at least.
 *
 * @param linesOf how many lines so many rows take; more rows take more
 */
export function rowsFitting(most: number, room: number, linesOf: (rows: number) => number): number {
  if (linesOf(most) <= room) return most;
  let [low, high] = [Math.min(1, most), most - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (linesOf(middle) <= room) low = middle;
    else high = middle - 1;
  }
  return low;
}
