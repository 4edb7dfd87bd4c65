import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
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

test('a thousand callbacks with a wrong state, or none, are told once, and the right one is still taken', async () => {
  let told = 0;
  const loopback = await startLoopback(
    undefined,
    (answer) => answer.get('state') === 'right',
    () => told++,
  );
  const bad = ['?state=wrong', '', '?error=access_denied', '?state=', '?code=x'];
  const paths = Array.from({ length: 1_000 }, (_, index) => `/callback${bad[index % bad.length]}`);
  // Some at once, as a page would send them.
  for (let from = 0; from < paths.length; from += 50)
    await Promise.all(paths.slice(from, from + 50).map((path) => ask(loopback.redirectUri, path)));
  expect({ told, foreign: loopback.foreign() }).toEqual({ told: 1, foreign: 1_000 });
  const answer = loopback.answer(new AbortController().signal);
  const page = ask(loopback.redirectUri, '/callback?state=right&code=c');
  expect((await answer).get('code')).toBe('c');
  loopback.show({ outcome: 'connected', title: '', text: [], facts: [] });
  expect(await page).toBe(200);
  await loopback.close();
});

test('connections that ask for nothing, or stop in the middle, do not keep it from ending', async () => {
  const loopback = await startLoopback(
    undefined,
    () => false,
    () => {},
  );
  const { hostname, port } = new URL(loopback.redirectUri);
  const begun = [
    '',
    'GET /callback?state=x HTTP/1.1\r\nhost',
    'nonsense\r\n\r\n',
    'POST /callback HTTP/1.1\r\n',
  ];
  const sockets = await Promise.all(
    begun.map(
      (text) =>
        new Promise<Socket>((resolve) => {
          const socket = connect(Number(port), hostname, () => socket.write(text, () => resolve(socket)));
          socket.on('error', () => {});
        }),
    ),
  );
  const ended = sockets.map((socket) => new Promise((resolve) => socket.on('close', resolve).resume()));
  await loopback.close();
  await Promise.all(ended);
});
