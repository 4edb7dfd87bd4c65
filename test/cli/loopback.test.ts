import { type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { type Loopback, startLoopback } from '../../cli/authorize/loopback.ts';

/** Asks for a path as it is written, which `fetch` would mend first. */
async function ask(redirectUri: string, path: string, cookie?: string): Promise<number | undefined> {
  return (await get(redirectUri, path, cookie)).statusCode;
}

function get(redirectUri: string, path: string, cookie?: string): Promise<IncomingMessage> {
  const { hostname, port } = new URL(redirectUri);
  const headers = cookie === undefined ? {} : { cookie };
  return new Promise((resolve, reject) => {
    request({ hostname, port, path, headers, agent: false }, (response) => resolve(response.resume()))
      .on('error', reject)
      .end();
  });
}

type Where = Parameters<Loopback['startAt']>[1];
const TO = 'https://id.example.com/authorize?state=right';
const forever = () => new AbortController().signal;
const pathOf = (address: string) => new URL(address).pathname;
const cookieOf = ({ headers }: IncomingMessage) => (headers['set-cookie']?.[0] ?? '').split(';')[0] ?? '';

/** A browser's cookie, once it has been led to the provider. */
async function begin({ redirectUri, startAt }: Loopback, where: Where = 'passed'): Promise<string> {
  return cookieOf(await get(redirectUri, pathOf(startAt(TO, where))));
}

const isRight = (answer: URLSearchParams) => answer.get('state') === 'right';

test('a start address leads to the request, with a cookie for this browser alone', async () => {
  const loopback = await startLoopback(undefined, isRight, () => {});
  const { origin, port } = new URL(loopback.redirectUri);
  const address = loopback.startAt(TO, 'passed');
  expect(address).toMatch(new RegExp(`^${origin}/start/[A-Za-z0-9_-]{32}$`));
  const { statusCode, headers } = await get(loopback.redirectUri, pathOf(address));
  expect({ statusCode, headers }).toMatchObject({
    statusCode: 302,
    headers: { location: TO, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' },
  });
  expect(headers['set-cookie']).toEqual([
    expect.stringMatching(new RegExp(`^sign-in-${port}=[A-Za-z0-9_-]{43}; HttpOnly; SameSite=Lax; Path=/$`)),
  ]);
  await loopback.close();
});

test.each([
  'http://localhost/callback',
  'http://127.0.0.1/',
  'http://[::1]/a/start',
])('the start address is at the host of %s, as cookies are a host’s', async (registered) => {
  const loopback = await startLoopback(registered, isRight, () => {});
  expect(new URL(loopback.startAt(TO, 'passed')).origin).toBe(new URL(loopback.redirectUri).origin);
  await loopback.close();
});

test('the right state without the cookie, or with another, is refused, and the right one is still taken', async () => {
  const told: string[] = [];
  const loopback = await startLoopback(undefined, isRight, (why) => told.push(why));
  const stolen = '/callback?state=right&code=stolen';
  // Before anybody was led anywhere, too.
  const statuses = [await ask(loopback.redirectUri, stolen, 'sign-in=undefined')];
  const cookie = await begin(loopback);
  for (const other of [undefined, '', `${cookie}x`, cookie.slice(0, -1), cookie.replace(/=.*/, '='), 'a=b'])
    statuses.push(await ask(loopback.redirectUri, stolen, other));
  expect(statuses).toEqual(Array(7).fill(400));
  expect({ told, ...loopback.refused() }).toEqual({
    told: ['another_browser'],
    another_state: 0,
    another_browser: 7,
  });
  // Another server of this host may have set one of the same name.
  const name = cookie.replace(/=.*/, '');
  const page = ask(loopback.redirectUri, '/callback?state=right&code=own', `${name}=x; ${cookie}; a=b`);
  expect((await loopback.response(forever())).get('code')).toBe('own');
  loopback.show({ outcome: 'connected', title: '', text: [], facts: [] });
  expect(await page).toBe(200);
  await loopback.close();
});

test('a start address works once: a second browser ends the sign-in, the same one goes on', async () => {
  const loopback = await startLoopback(undefined, isRight, () => {});
  const path = pathOf(loopback.startAt(TO, 'passed'));
  const first = await get(loopback.redirectUri, path);
  const again = await get(loopback.redirectUri, path, cookieOf(first));
  expect([again.statusCode, cookieOf(again)]).toEqual([302, cookieOf(first)]);
  const ended = expect(loopback.response(forever())).rejects.toMatchObject({ code: 'STARTED_TWICE' });
  const second = await get(loopback.redirectUri, path);
  expect([second.statusCode, second.headers.location, cookieOf(second)]).toEqual([400, undefined, '']);
  await ended;
  await loopback.close();
});

test('the address that the person alone knows changes to another browser', async () => {
  const loopback = await startLoopback(undefined, isRight, () => {});
  const [wrong, right] = [await begin(loopback, 'passed'), await begin(loopback, 'shown')];
  expect(await ask(loopback.redirectUri, '/callback?state=right', wrong)).toBe(400);
  const page = ask(loopback.redirectUri, '/callback?state=right&code=c', right);
  expect((await loopback.response(forever())).get('code')).toBe('c');
  loopback.show({ outcome: 'connected', title: '', text: [], facts: [] });
  expect(await page).toBe(200);
  await loopback.close();
});

test('the address that others can read takes no sign-in over, but goes on in its browser', async () => {
  const loopback = await startLoopback(undefined, isRight, () => {});
  const own = await begin(loopback, 'shown');
  const passed = pathOf(loopback.startAt(TO, 'passed'));
  expect(cookieOf(await get(loopback.redirectUri, passed, own))).toBe(own);
  const ended = expect(loopback.response(forever())).rejects.toMatchObject({ code: 'STARTED_TWICE' });
  expect(await begin(loopback, 'passed')).toBe('');
  await ended;
  await loopback.close();
});

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
  const loopback = await startLoopback(undefined, isRight, () => told++);
  const bad = ['?state=wrong', '', '?error=access_denied', '?state=', '?code=x'];
  const paths = Array.from({ length: 1_000 }, (_, index) => `/callback${bad[index % bad.length]}`);
  // Some at once, as a page would send them.
  for (let from = 0; from < paths.length; from += 50)
    await Promise.all(paths.slice(from, from + 50).map((path) => ask(loopback.redirectUri, path)));
  expect({ told, ...loopback.refused() }).toEqual({ told: 1, another_state: 1_000, another_browser: 0 });
  const cookie = await begin(loopback);
  const answer = loopback.response(forever());
  const page = ask(loopback.redirectUri, '/callback?state=right&code=c', cookie);
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
