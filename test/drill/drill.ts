import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../build/project.ts';
import { reportCounts } from '../faults/counts.ts';
import { accountDrills } from './accounts.ts';
import { changeDrills } from './changes.ts';
import { type Drill, uncovered } from './drills.ts';
import { fleetDrills } from './fleet.ts';
import { sectionsOf } from './page.ts';
import { createDrillWorld } from './world.ts';

/**
 * Makes each situation of docs/runbook.md in a deployed fleet, pastes the section's lines as they stand, all of them, and
 * demands that the accounts are healthy then: `EMULATOR_URL=http://localhost:5617 npm run test:drill`. AWS is an emulator (moto).
 * Words pick sections by anchor.
 */
const emulator = process.env.EMULATOR_URL;
if (emulator === undefined) {
  console.error('Run: moto_server -p 5617 & EMULATOR_URL=http://localhost:5617 npm run test:drill');
  process.exit(2);
}
const { preamble, sections } = sectionsOf(readFileSync(join(projectRoot, 'docs/runbook.md'), 'utf8'));
const upgrading = sectionsOf(readFileSync(join(projectRoot, 'docs/upgrading.md'), 'utf8'));
const drills: Readonly<Record<string, Drill>> = { ...accountDrills, ...fleetDrills, ...changeDrills };
const missing = uncovered(sections, drills);
if (missing.length > 0) {
  console.error(missing.join('\n'));
  process.exit(1);
}
await fetch(`${emulator}/moto-api/reset`, { method: 'POST' });
const world = await createDrillWorld(emulator);
const words = process.argv.slice(2);
let healed = 0;
let lines = 0;
const chosen = sections.filter(({ anchor }) => words.length === 0 || words.includes(anchor));
for (const command of preamble) await world.shell.paste(command);
for (const { anchor, commands } of chosen) {
  const drill = drills[anchor];
  if (drill === undefined) continue;
  const begun = performance.now();
  const printed: string[] = [];
  const all = [...linesOf(drill.beforehand), ...commands, ...linesOf(drill.afterwards)];
  const wrong = await perform(drill, all, printed);
  world.aws.fault = undefined;
  await world.forget();
  const seconds = ((performance.now() - begun) / 1_000).toFixed(1);
  console.log(`${wrong === undefined ? '✓' : '✗'} ${anchor} (${seconds} s)`);
  if (wrong === undefined) healed++;
  else console.log(`  ${wrong}\n${[...printed, ...lastLogged()].join('\n').replaceAll(/^/gm, '  | ')}`);
}
await world.close();
reportCounts(healed, chosen.length - healed);
console.log(`${chosen.length} sections run, ${healed} healed (${lines} lines pasted)`);
process.exitCode = healed === chosen.length && healed > 0 ? 0 : 1;

function linesOf(anchors: readonly string[] = []): readonly string[] {
  return anchors.flatMap((anchor) => {
    const found = [...sections, ...upgrading.sections].find((one) => one.anchor === anchor);
    if (found === undefined) throw new Error(`There is no section #${anchor}.`);
    return found.commands;
  });
}

/** The end of the function's log, without its metrics. */
function lastLogged(): string[] {
  const lines = world.aws.log.map(({ message }) => message).filter((line) => !line.includes('"_aws"'));
  return ['The function said:', ...lines.slice(-8)];
}

/** @returns what went wrong */
async function perform(
  drill: Drill,
  commands: readonly string[],
  printed: string[],
): Promise<string | undefined> {
  try {
    const made = await drill.make(world);
    const { healed: isHealed, values = {}, sees = {}, before = {}, fails = [] } = made;
    const keys = [...Object.keys(sees), ...Object.keys(before), ...fails];
    const unknown = keys.find((key) => !commands.some((command) => command.includes(key)));
    if (unknown !== undefined) return `The section has no line with: ${unknown}`;
    for (const command of commands) {
      for (const [key, act] of Object.entries(before)) if (command.includes(key)) await act();
      const text = filledIn(command, { ...values, ...files() });
      const { code, printed: said } = await world.shell.paste(text);
      lines += text.split('\n').length;
      printed.push(`$ ${text}`, said.trimEnd());
      if (code !== 0 && !fails.some((key) => command.includes(key))) return `exit code ${code}: ${text}`;
      for (const [key, pattern] of Object.entries(sees))
        if (command.includes(key) && !pattern.test(said)) return `${text} doesn't show ${pattern}`;
    }
    return await isHealed();
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

/** What stands for something of the operator's own. */
function filledIn(command: string, values: Readonly<Record<string, string>>): string {
  return Object.entries(values).reduce((text, [name, value]) => text.replaceAll(name, value), command);
}

function files() {
  return Object.fromEntries(
    ['changed.json', 'tokens.json', 'names.json'].map((name) => [name, join(world.directory, name)]),
  );
}
