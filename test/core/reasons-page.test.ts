import { expect, test } from 'vitest';
import { REASONS, type Reason } from '../../core/reason.ts';
import { HELPERS } from '../../core/who-can-help.ts';

const RENEW = 'npx vitest run test/core/reasons-page.test.ts --update';

/** Where a reason leaves the account. The advice of a group is not repeated with each reason. */
const groups = [
  { severity: 'calm', heading: 'Nothing is wrong', advice: '' },
  { severity: 'deferred', heading: 'Left to a later run', advice: 'The next run continues.' },
  {
    severity: 'person',
    heading: 'Authorize the account again (`reauthorization_required`)',
    advice: 'Authorize the account again.',
  },
  { severity: 'transient', heading: 'Tried again (`failing`)', advice: 'It is tried again later.' },
  { severity: 'invalid', heading: 'To be corrected (`failing`)', advice: '' },
];

/** `docs/reasons.md` as the code has it. */
function page(): string {
  const sections = groups.flatMap(({ severity, heading, advice }) => {
    const lines = Object.entries(REASONS)
      .filter(([, reason]) => reason.severity === severity)
      .map(([name, { meaning, remedy }]) => {
        const helper = HELPERS[name as Reason];
        const who = helper === 'nobody' || severity === 'person' ? '' : ` (${helper})`;
        const next = remedy.replace(advice, '').trim();
        return `- \`${name}\`${who}: ${meaning}${next === '' ? '' : `. ${next}`}`;
      });
    return ['', `## ${heading}`, ...lines];
  });
  return [
    '# Reasons',
    'In brackets: who can fix it, if somebody must. *Account* is the person who signed in, *profile* whoever keeps it, *operator* who runs this.',
    ...sections,
    '',
  ].join('\n');
}

test(`docs/reasons.md is what the code says; if not, "${RENEW}" writes it`, async () => {
  await expect(page(), `docs/reasons.md is out of date. Renew it: ${RENEW}`).toMatchFileSnapshot(
    '../../docs/reasons.md',
  );
});
