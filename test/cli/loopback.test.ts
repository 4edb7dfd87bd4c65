import { request } from 'node:http';
import { expect, test } from 'vitest';
import { startLoopback } from '../../cli/authorize/loopback.ts';

/** Asks for a path as it is written, which `fetch` would mend first. */
function ask(redirectUri: string, path: string): Promise<number | undefined> {
  const { hostname, port } = new URL(redirectUri);
  return new Promise((resolve, reject) => {
    request({ hostname, port, path, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
}

test('whatever is asked of it, the waiting server answers and goes on', async () => {
  const loopback = await startLoopback(
    undefined,
    () => false,
    () => {},
  );
  const statuses = [];
  for (const path of ['//', '///', '//:99999/', 'http://[', '*', '/', '/callback?state=x', '//x/callback'])
    statuses.push(await ask(loopback.redirectUri, path));
  expect(statuses).toEqual([400, 400, 400, 400, 404, 404, 400, 400]);
  await loopback.close();
});
