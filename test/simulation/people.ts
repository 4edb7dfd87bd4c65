import type { PersonPlan } from './plan.ts';
import type { World } from './world.ts';

/** A person does something. */
export async function act(_world: World, _person: PersonPlan): Promise<void> {}
