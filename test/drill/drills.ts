import type { Section } from './page.ts';
import type { DrillWorld } from './world.ts';

/** How a section is tried. */
export interface Drill {
  /** Sections of docs/upgrading.md or the runbook to which this one leads, whose lines come before its own, or after. */
  readonly beforehand?: readonly string[];
  readonly afterwards?: readonly string[];
  /** Makes the situation. */
  make(world: DrillWorld): Promise<Situation>;
}

export interface Situation {
  /** For the words that the operator replaces, such as `ACCOUNT`. */
  readonly values?: Readonly<Record<string, string>>;
  /** What the line that has this text in it must print. */
  readonly sees?: Readonly<Record<string, RegExp>>;
  /** What others do before the line that has this text in it. */
  readonly before?: Readonly<Record<string, () => Promise<void>>>;
  /** Lines that may fail, as the page says. */
  readonly fails?: readonly string[];
  /** Once all lines were pasted. @returns why it is not over; undefined: it is */
  healed(): Promise<string | undefined>;
}

/** Sections that nothing tries, and trials of what is no section. */
export function uncovered(sections: readonly Section[], drills: Readonly<Record<string, Drill>>): string[] {
  const anchors = sections.map(({ anchor }) => anchor);
  return [
    ...anchors.filter((anchor) => drills[anchor] === undefined).map((anchor) => `Nothing tries #${anchor}.`),
    ...sections
      .filter(({ commands }) => commands.length === 0)
      .map(({ anchor }) => `#${anchor} has no line.`),
    ...Object.keys(drills)
      .filter((anchor) => !anchors.includes(anchor))
      .map((anchor) => `There is no section #${anchor}.`),
  ];
}
