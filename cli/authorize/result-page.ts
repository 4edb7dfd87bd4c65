import { createHash } from 'node:crypto';

/** The page in the browser at the end. Nothing in it is secret. */
export interface ResultPage {
  readonly outcome: 'connected' | 'failed';
  readonly title: string;
  readonly text: readonly string[];
  readonly facts: readonly (readonly [name: string, value: string])[];
}

/** The code in the address is spent, but it should not stay in the browser's history. */
const SCRIPT = 'history.replaceState(null, "", location.pathname)';

const STYLE = `
:root { color-scheme: light dark; font: 17px/1.55 system-ui, sans-serif; --good: light-dark(#176b3a, #7fd8a4); --bad: light-dark(#a3281f, #ffa69e); }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: light-dark(#eef1f5, #15181d); color: light-dark(#1a1f26, #e8ebf0); }
main { box-sizing: border-box; width: min(34rem, 92vw); margin: 1.5rem 0; padding: 2rem; border-radius: 12px; background: light-dark(#fff, #1f242c); box-shadow: 0 2px 16px #0002; border-top: 6px solid var(--tone); overflow-wrap: anywhere; }
.connected { --tone: var(--good); }
.failed { --tone: var(--bad); }
h1 { display: flex; gap: .7rem; align-items: flex-start; margin: 0 0 1rem; font-size: 1.5rem; line-height: 1.25; }
svg { flex: none; width: 1.9rem; height: 1.9rem; color: var(--tone); }
p { margin: .8rem 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .4rem 1.2rem; margin: 1.2rem 0; padding: 1rem 1.2rem; border-radius: 8px; background: light-dark(#f3f5f8, #282e38); }
dt { color: light-dark(#4a5462, #b4bdca); }
dd { margin: 0; font-weight: 600; }
.close { margin-bottom: 0; color: light-dark(#4a5462, #b4bdca); }
@media (max-width: 30rem) { main { padding: 1.4rem; } dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .6rem; } dd:last-child { margin-bottom: 0; } }
`;

const MARKS = {
  connected: '<path d="M7 12.5l3.4 3.4L17 9"/>',
  failed: '<path d="M12 6.8v6.4M12 16.6v.4"/>',
} as const;

/** Plain HTML that loads nothing and holds no token. */
export function renderResultPage({ outcome, title, text, facts }: ResultPage): string {
  const list = facts
    .map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`)
    .join('');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<main class="${outcome}">
<h1><svg viewBox="0 0 24 24" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round"><circle cx="12" cy="12" r="10"/>${MARKS[outcome]}</svg><span>${escapeHtml(title)}</span></h1>
${text.map((paragraph) => `<p>${escapeHtml(paragraph)}</p>`).join('\n')}
${list === '' ? '' : `<dl>${list}</dl>`}
<p class="close">You can close this window and go back to the terminal.</p>
</main>
<script>${SCRIPT}</script>
</body>
</html>`;
}

/** The browser may not load, keep or frame anything, nor tell others of the page. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'content-security-policy': [
    "default-src 'none'",
    `style-src '${hashOf(STYLE)}'`,
    `script-src '${hashOf(SCRIPT)}'`,
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  connection: 'close',
};

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
