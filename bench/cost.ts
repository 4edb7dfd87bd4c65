import type { Findings } from './experiment.ts';
export async function cost(): Promise<Findings> {
  return { title: 'Monthly cost', figures: [] };
}
