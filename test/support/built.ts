import { buildFunction } from '../../build/function.ts';

/** Before any test: the function that is tested as it ships is built from what is here. */
export default async function build(): Promise<void> {
  await buildFunction();
}
