/** What a person's browser ended at. */
export interface Seen {
  readonly address: string;
  readonly status: number;
  readonly html: string;
}

export interface Habits {
  /** The user name; it becomes the grant's `sub`. */
  readonly login?: string;
  readonly answer?: 'allow' | 'cancel';
  /** Called with each address before it is opened; another can be put in its place, and `stop` ends there. With it, the cookies that go there. */
  readonly onAddress?: (address: string, cookie: string) => string | Promise<string>;
}

/** A person with a browser of their own, at the local authorization server: signs in, allows, follows redirects. */
export async function visit(
  start: string,
  { login = 'alice', answer = 'allow', onAddress = (address) => address }: Habits = {},
): Promise<Seen> {
  /** Of each host, as browsers keep them: ports share theirs. */
  const cookies = new Map<string, Map<string, string>>();
  const cookiesOf = (address: string) => {
    const { hostname } = new URL(address);
    const own = cookies.get(hostname) ?? new Map<string, string>();
    cookies.set(hostname, own);
    return own;
  };
  const headerOf = (address: string) =>
    [...cookiesOf(address)].map(([name, value]) => `${name}=${value}`).join('; ');
  const open = async (address: string, form?: Record<string, string>): Promise<Seen> => {
    const wanted = await onAddress(address, headerOf(address));
    if (wanted === 'stop') return { address, status: 0, html: '' };
    const response = await fetch(wanted, {
      redirect: 'manual',
      headers: { cookie: headerOf(wanted) },
      ...(form !== undefined && { method: 'POST', body: new URLSearchParams(form) }),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [name = '', value = ''] = (cookie.split(';')[0] ?? '').split(/=(.*)/);
      cookiesOf(wanted).set(name, value);
    }
    const location = response.headers.get('location');
    if (location !== null) return await open(new URL(location, wanted).href);
    return { address: wanted, status: response.status, html: await response.text() };
  };
  let seen = await open(start);
  for (let form = formIn(seen); form !== undefined; form = formIn(seen))
    seen = await open(form.action, { ...form.hidden, ...fillIn(form.kind, login, answer) });
  return seen;
}

type FormKind = 'login' | 'consent' | 'code' | 'device';

function formIn({ address, html }: Seen) {
  const action = /<form[^>]* action="([^"]+)"/.exec(html)?.[1];
  // A form that comes back with a complaint would be filled in alike for ever.
  if (action === undefined || html.includes('role="alert"')) return undefined;
  const kind: FormKind = /name="login"/.test(html)
    ? 'login'
    : /op\.deviceConfirmForm/.test(html)
      ? 'device'
      : /op\.deviceInputForm/.test(html)
        ? 'code'
        : 'consent';
  const hidden = Object.fromEntries(
    [...html.matchAll(/<input[^>]*type="hidden" name="([^"]+)" value="([^"]*)"/g)].map(([, name, value]) => [
      name ?? '',
      value ?? '',
    ]),
  );
  const code = /<input\s[^>]*value="([^"]*)"[^>]*name="user_code"/.exec(html)?.[1];
  const filled = code === undefined ? hidden : { ...hidden, user_code: code };
  return { kind, action: new URL(action, address).href, hidden: filled };
}

function fillIn(kind: FormKind, login: string, answer: 'allow' | 'cancel'): Record<string, string> {
  switch (kind) {
    case 'login':
      return { login, answer: 'login' };
    case 'consent':
      return { answer };
    default:
      return {};
  }
}
