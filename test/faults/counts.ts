import { writeFileSync } from 'node:fs';

/** Writes how many trials held and how many did not, where COUNTS_FILE names a file, in the form of a test report. */
export function reportCounts(held: number, broken: number): void {
  const file = process.env.COUNTS_FILE;
  if (file === undefined) return;
  writeFileSync(
    file,
    JSON.stringify({ numPassedTests: held, numFailedTests: broken, numFailedTestSuites: 0 }),
  );
}
