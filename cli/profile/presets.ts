import { type ParsedProfile, parseProfile } from '../../core/profile/parse-profile.ts';
import presetsOfTheFunction from '../../core/profile/presets.json' with { type: 'json' };
import type { Preset } from '../../core/profile/profile-schema.ts';
import aboutPresets from './about-presets.json' with { type: 'json' };

/** More about a provider than a refresh needs. The function does not have it. */
interface AboutPreset {
  readonly title: string;
  /** Fields for authorizing only. */
  readonly authorizing?: Preset;
  readonly source: string;
  readonly confidence: string;
  readonly notes?: string;
}

export const ABOUT_PRESETS = aboutPresets as Readonly<Record<string, AboutPreset>>;

const ofTheFunction = presetsOfTheFunction as Readonly<Record<string, Preset>>;

export const PRESETS: Readonly<Record<string, Preset>> = Object.fromEntries(
  Object.entries(ofTheFunction).map(([name, preset]) => [
    name,
    { ...preset, ...ABOUT_PRESETS[name]?.authorizing },
  ]),
);

/** Reads a profile as `parseProfile` does, with what its preset says of authorizing. */
export function parseWholeProfile(secretText: string | undefined): ParsedProfile {
  const parsed = parseProfile(secretText, PRESETS);
  return parsed;
}
