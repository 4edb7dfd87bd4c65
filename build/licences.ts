import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';
import { projectRoot } from './project.ts';

/** The folders of the packages of which something is in a bundle, from the repository's root. */
export function packagesIn({ outputs }: Metafile): readonly string[] {
  const used = Object.values(outputs).flatMap((output) =>
    Object.entries(output.inputs).flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : [])),
  );
  const folders = used.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0] ?? []);
  return [...new Set(folders)].sort();
}

/** Their licences with the texts that have to be passed on, each text once. */
export function licenceTexts(metafile: Metafile): string {
  const byText = new Map<string, string[]>();
  for (const folder of packagesIn(metafile)) {
    const path = join(projectRoot, folder);
    const { name, version, license } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
    const texts = readdirSync(path)
      .filter((file) => /^(licen[cs]e|copying|notice)(\.|-|$)/i.test(file))
      .sort()
      .map((file) => readFileSync(join(path, file), 'utf8').replaceAll('\r', '').trim());
    const text = texts.length > 0 ? texts.join('\n\n') : `${license} (the package has no text of its own)`;
    byText.set(text, [...(byText.get(text) ?? []), `${name} ${version} (${license})`]);
  }
  return [...byText]
    .map(([text, names]) => `${names.join('\n')}\n\n${text}\n`)
    .join(`\n${'='.repeat(72)}\n\n`);
}
