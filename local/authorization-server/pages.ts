/** The login and consent pages: plain HTML that loads nothing from elsewhere. */

interface PageForm {
  readonly action: string;
  readonly client: string;
}

/** Asks who the person is. Any name works; it becomes the `sub` of the grant. */
export function loginPage({ action, client }: PageForm): string {
  return page(
    'Sign in',
    `<p><strong>${escapeHtml(client)}</strong> wants to know who you are.</p>
    <form method="post" action="${escapeHtml(action)}">
      <label for="login">User name</label>
      <input id="login" name="login" autocomplete="username" required autofocus>
      <p class="hint">This server is for trying things out. Any name works, and there is no password.</p>
      <div class="actions">
        <button name="answer" value="login">Sign in</button>
        <button name="answer" value="cancel" class="secondary" formnovalidate>Cancel</button>
      </div>
    </form>`,
  );
}

export function consentPage({ action, client }: PageForm, login: string, scopes: readonly string[]): string {
  const list = scopes.map((scope) => `<li>${escapeHtml(scope)}</li>`).join('');
  return page(
    'Allow access',
    `<p><strong>${escapeHtml(client)}</strong> asks for access to the account of <strong>${escapeHtml(login)}</strong>:</p>
    <ul>${list}</ul>
    <form method="post" action="${escapeHtml(action)}">
      <div class="actions">
        <button name="answer" value="allow" autofocus>Allow</button>
        <button name="answer" value="cancel" class="secondary">Cancel</button>
      </div>
    </form>`,
  );
}

/** Asks for the code that the device shows. `form` comes from the server, with its hidden fields. */
export function userCodePage(form: string, problem: string | undefined): string {
  const message =
    problem === undefined
      ? '<p id="what">Enter the code that your device shows.</p>'
      : `<p id="what" class="problem" role="alert">${escapeHtml(problem)}</p>`;
  // The server's field has no label, and a script that changes the selection.
  const field = form
    .replace(/ onfocus="[^"]*"/, '')
    .replace('</input>', '')
    .replace('name="user_code"', 'name="user_code" aria-label="Code" aria-describedby="what"');
  return page(
    'Connect a device',
    `${message}${field}
    <div class="actions"><button form="op.deviceInputForm">Continue</button></div>`,
  );
}

/** Asks whether it is the person's own device, so that nobody connects a stranger's by mistake. */
export function confirmCodePage(form: string, client: string, userCode: string): string {
  return page(
    'Is this your device?',
    `<p>A device wants to connect to <strong>${escapeHtml(client)}</strong>. It must show this code:</p>
    <p class="code">${escapeHtml(userCode)}</p>
    <p class="hint">If it doesn't, or if you didn't ask for this, cancel.</p>
    ${form}
    <div class="actions">
      <button form="op.deviceConfirmForm" autofocus>Continue</button>
      <button form="op.deviceConfirmForm" name="abort" value="yes" class="secondary">Cancel</button>
    </div>`,
  );
}

export function deviceDonePage(): string {
  return page('Done', '<p>Your device is connected. You can close this window.</p>');
}

/** Says what went wrong if we can't send the person back to a client. */
export function errorPage(message: string): string {
  return page('That did not work', `<p>${escapeHtml(message)}</p>`);
}

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>${title} · local authorization server</title>
  <style>
    :root { color-scheme: light dark; font: 17px/1.5 system-ui, sans-serif; }
    body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: light-dark(#eef1f5, #15181d); }
    main { box-sizing: border-box; width: min(30rem, 92vw); padding: 2rem; border-radius: 12px; background: light-dark(#fff, #1f242c); box-shadow: 0 2px 16px #0002; }
    h1 { margin: 0 0 1rem; font-size: 1.4rem; }
    label { display: block; font-weight: 600; margin-bottom: .3rem; }
    input { width: 100%; box-sizing: border-box; font: inherit; padding: .6rem .8rem; border: 1px solid #8892a0; border-radius: 8px; }
    .problem { color: light-dark(#a3281f, #ffa69e); font-weight: 600; }
    .code { font: 600 1.6rem/1.4 ui-monospace, monospace; letter-spacing: .08em; text-align: center; }
    .hint { font-size: .85rem; opacity: .8; }
    .actions { display: flex; gap: .8rem; margin-top: 1.2rem; }
    button { font: inherit; padding: .6rem 1.4rem; border: 1px solid #1a56c4; border-radius: 8px; background: #1a56c4; color: #fff; cursor: pointer; }
    button.secondary { background: transparent; color: inherit; border-color: #8892a0; }
    :focus-visible { outline: 3px solid #f0a020; outline-offset: 2px; }
  </style>
</head>
<body><main><h1>${title}</h1>${body}</main></body>
</html>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
