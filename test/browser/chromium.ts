import { accessSync, constants, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import puppeteer, { type Browser, type Page } from 'puppeteer-core';

/** A headless Chromium, as a person has one, and the camera. */
export interface Chromium {
  readonly page: Page;
  /** Addresses that were asked for and are not on this machine. */
  readonly elsewhere: string[];
  /** A browser without any cookie. */
  fresh(): Promise<void>;
  /**
   * Takes a picture of the page in light, dark and narrow, where pictures are wanted.
   *
   * @returns what axe-core finds wrong with it in either scheme, one line each
   */
  look(name: string): Promise<readonly string[]>;
  close(): Promise<void>;
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Each way in which the page is looked at. */
const VIEWS = [
  { view: 'light', scheme: 'light', width: 900, height: 700 },
  { view: 'dark', scheme: 'dark', width: 900, height: 700 },
  { view: 'narrow', scheme: 'light', width: 360, height: 640 },
] as const;

/** @param pictures a directory for them; none are taken where absent */
export async function startChromium(pictures: string | undefined): Promise<Chromium> {
  const browser: Browser = await puppeteer.launch({
    executablePath: findChromium(),
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-background-networking'],
  });
  if (pictures !== undefined) mkdirSync(pictures, { recursive: true });
  const elsewhere: string[] = [];
  const open = async () => {
    const page = await (await browser.createBrowserContext()).newPage();
    page.on('request', (request) => {
      const { protocol, hostname, host } = new URL(request.url());
      if (/^https?:$/.test(protocol) && hostname !== '127.0.0.1') elsewhere.push(host);
    });
    return page;
  };
  let page = await open();
  return {
    get page() {
      return page;
    },
    elsewhere,
    fresh: async () => {
      await page.browserContext().close();
      page = await open();
    },
    look: async (name) => {
      const problems: string[] = [];
      for (const { view, scheme, width, height } of VIEWS) {
        await page.setViewport({ width, height });
        await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
        if (pictures !== undefined)
          await page.screenshot({ path: join(pictures, `${name}-${view}.png`), fullPage: true });
        problems.push(...(await check(page)).map((problem) => `${name} (${view}): ${problem}`));
      }
      return problems;
    },
    close: () => browser.close(),
  };
}

/** axe-core's findings, and anything wider than the window. */
async function check(page: Page): Promise<readonly string[]> {
  // A page's own policy lets no script of ours in; the one from the debugger is not asked.
  await page.evaluate(AXE);
  const violations = (await page.evaluate(`axe.run().then(({ violations }) =>
    violations.map(({ id, help, nodes }) => id + ': ' + help + ' at ' + nodes.map(({ target }) => target.join(' ')).join(', ')))`)) as string[];
  const overflows = await page.evaluate(
    'document.documentElement.scrollWidth > document.documentElement.clientWidth',
  );
  return overflows === true ? [...violations, 'wider than the window'] : violations;
}

/** CHROMIUM_PATH, or the first of the usual names on PATH. */
function findChromium(): string {
  const { CHROMIUM_PATH = '', PATH = '' } = process.env;
  if (CHROMIUM_PATH !== '') return CHROMIUM_PATH;
  for (const directory of PATH.split(delimiter))
    for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
      const file = join(directory, name);
      try {
        accessSync(file, constants.X_OK);
        return file;
      } catch {
        // Not this one.
      }
    }
  throw new Error('There is no Chromium here. Install one (apt-get install chromium), or set CHROMIUM_PATH.');
}
