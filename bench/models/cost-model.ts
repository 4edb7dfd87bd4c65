import { type Fleet, USUAL_RUNNING } from '../../core/monthly-cost.ts';
import { METRIC } from '../../lambda/metric-names.ts';

export { ALARMS, accountsPerRegion, type Fleet, monthlyCost, regionsFor } from '../../core/monthly-cost.ts';

/** A fleet with tokens of an hour. */
export const usualFleet: Omit<Fleet, 'accounts'> = {
  ...USUAL_RUNNING,
  metrics: Object.keys(METRIC).length,
  tokenLifetime: 3_600,
  refreshWindow: 300,
  itemBytes: 400,
};
