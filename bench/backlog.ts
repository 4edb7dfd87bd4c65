import type { Findings } from './experiment.ts';
export async function backlog(): Promise<Findings> {
  return { title: 'Backlog', figures: [] };
}
