import { buildFunction } from '../../build/function.ts';

/** Before any test: the function that is tested as it ships is built from what is here. */
export default function build(): void {
  buildFunction();
}
