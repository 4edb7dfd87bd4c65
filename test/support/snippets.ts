import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectRoot } from '../../build/project.ts';

/** The fenced blocks of a page, in order: `language` and `text`. */
export function snippetsOf(page: string): readonly { readonly language: string; readonly text: string }[] {
  const source = readFileSync(join(projectRoot, page), 'utf8');
  return [...source.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = '', text = '']) => ({
    language,
    text,
  }));
}

/** A directory outside the project in which the project's packages are found. */
export function workshop(): {
  readonly path: string;
  write(name: string, text: string): string;
  remove(): void;
} {
  const path = mkdtempSync(join(tmpdir(), 'snippets-'));
  symlinkSync(join(projectRoot, 'node_modules'), join(path, 'node_modules'));
  writeFileSync(join(path, 'package.json'), '{"type": "module"}');
  mkdirSync(join(path, 'dist'));
  return {
    path,
    write: (name, text) => {
      writeFileSync(join(path, name), text);
      return join(path, name);
    },
    remove: () => rmSync(path, { recursive: true }),
  };
}

/** The functions of a snippet, called in a process that runs it as it stands on the page. */
export interface RunningSnippet {
  /** Rejects with what the function threw. */
  call(name: string, ...args: readonly unknown[]): Promise<unknown>;
  stop(): void;
}

/** Starts a program that answers each line `[name, args]` with a line `{ result }` or `{ error }`. */
export function runSnippet(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): RunningSnippet {
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH ?? '', ...environment },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    call: async (name, ...rest) => {
      child.stdin.write(`${JSON.stringify([name, rest])}\n`);
      const { value, done } = await answers.next();
      if (done) throw new Error('The snippet ended.');
      const answer = JSON.parse(value) as { result?: unknown; error?: string };
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer.result;
    },
    stop: () => child.kill(),
  };
}

/** Drives the module `./snippet.ts`. A `Response` becomes its text. */
export const typescriptDriver = `
import { createInterface } from 'node:readline';
import * as snippet from './snippet.ts';
for await (const line of createInterface({ input: process.stdin })) {
  const [name, args] = JSON.parse(line);
  const answer = await Promise.resolve()
    .then(() => (snippet as any)[name](...args))
    .then(async (result) => ({ result: result instanceof Response ? await result.text() : result }))
    .catch((error) => ({ error: String(error) }));
  console.log(JSON.stringify(answer));
}
`;

/** Drives the module `snippet.py`. */
export const pythonDriver = `
import json, sys
import snippet
for line in sys.stdin:
    name, args = json.loads(line)
    try:
        result = getattr(snippet, name)(*args)
        answer = {"result": result.read().decode() if hasattr(result, "read") else result}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
`;
