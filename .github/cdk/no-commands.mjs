// Refuses an assembly that would make the CDK's command line run a command, or Docker: `node no-commands.mjs cdk.out`.
// Whatever ran while the assembly was made could have put one there, and it would run with the role.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const [, , folder = 'cdk.out'] = process.argv;
const read = (file) => JSON.parse(readFileSync(join(folder, file), 'utf8'));

const KNOWN = ['aws:cloudformation:stack', 'cdk:asset-manifest', 'cdk:tree', 'cdk:feature-flag-report'];
const artifacts = Object.entries(read('manifest.json').artifacts ?? {});
const assets = artifacts
  .filter(([, { type }]) => type === 'cdk:asset-manifest')
  .map(([, { properties }]) => read(properties.file));
const found = [
  ...artifacts.filter(([, { type }]) => !KNOWN.includes(type)).map(([id, { type }]) => `${id} is a ${type}`),
  ...assets.flatMap(({ files = {}, dockerImages = {} }) => [
    ...Object.entries(files)
      .filter(([, { source }]) => source?.executable !== undefined || !/^[\w-][\w.-]*$/.test(source?.path))
      .map(([id]) => `${id} is no file of it, or is made by a command`),
    ...Object.keys(dockerImages).map((id) => `${id} is a Docker image`),
  ]),
];
for (const one of found) console.error(`${folder}: ${one}. Only files and stacks are deployed here.`);
process.exitCode = found.length > 0 ? 1 : 0;
