// Adds up the counts of several vitest JSON reports and prints them as the last line.
import { readFileSync } from 'node:fs';

const totals = { passed: 0, failed: 0 };
for (const file of process.argv.slice(2)) {
  const { numPassedTests, numFailedTests, numFailedTestSuites } = JSON.parse(readFileSync(file, 'utf8'));
  totals.passed += numPassedTests;
  // A file that could not even be loaded has no failed test of its own.
  totals.failed += numFailedTests > 0 ? numFailedTests : numFailedTestSuites;
}
console.log(`${totals.passed} passed, ${totals.failed} failed`);
