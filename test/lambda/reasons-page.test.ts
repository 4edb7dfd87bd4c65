import { expect, test } from 'vitest';
import { REASONS } from '../../lambda/reason.ts';

/** `docs/reasons.md` as the code has it; `npx vitest run test/lambda/reasons-page.test.ts --update` writes it. */
function page(): string {
  const endings = {
    calm: 'nothing is wrong',
    deferred: 'a later run does it',
    transient: '`failing`, tried again',
    invalid: '`failing`, looked at again',
    person: '`reauthorization_required`',
  };
  const rows = Object.entries(REASONS).map(
    ([reason, { meaning, severity, blame, remedy }]) =>
      `| \`${reason}\` | ${meaning} | ${endings[severity]} | ${blame === 'nobody' ? '' : blame} | ${remedy} |`,
  );
  return [
    '# Reasons',
    '',
    'Every reason that the function gives, in results, in `failure.reason`, in events and in logs. Who can help: the',
    "*account*'s holder, whoever keeps the *profile*, the *provider*, or *us*, who run the function.",
    '',
    '| reason | it means that | the account is then | who can help | what to do |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

test('docs/reasons.md is what the code says', async () => {
  await expect(page()).toMatchFileSnapshot('../../docs/reasons.md');
});
