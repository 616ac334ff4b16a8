// What the scripts share: a browser that notes every fault, and what is demanded of a page whichever it is.
//
// A script is run by tests/it/browser.rs with one JSON object in GIVEN: where the console is, tokens, what was seeded.
// It fails by throwing, and reports JSON on its last line. Nothing waits by the clock: Playwright's locators and
// waitFor… wait until what they name is there, and fail after PATIENCE.
import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

export const given = JSON.parse(process.env.GIVEN);
const installed = createRequire(join(given.packages, 'package.json'));
const { chromium } = installed('playwright-core');
const AXE = readFileSync(installed.resolve('axe-core/axe.min.js'), 'utf8');

const PATIENCE = 20_000;
export const PHONE = { width: 390, height: 844 };
export const DESK = { width: 1280, height: 900 };

// Runs `work` with a browser, and ends it whatever happens.
export async function withBrowser(work) {
  const browser = await chromium.launch({ executablePath: given.chromium });
  try {
    return await work(browser);
  } catch (error) {
    const pages = browser.contexts().flatMap((context) => context.pages());
    await Promise.all(pages.map((page, n) => screenshot(page, `failed-${n}`).catch(() => {})));
    throw error;
  } finally {
    await browser.close();
  }
}

// A person in front of a window of their own: nothing is known of other windows, nothing is cached. Whatever a browser
// complains of is kept in `faults`.
export async function person(browser, { viewport = DESK, colorScheme = 'light', ...more } = {}) {
  const context = await browser.newContext({ baseURL: given.console, viewport, colorScheme, reducedMotion: 'reduce', ...more });
  context.setDefaultTimeout(PATIENCE);
  const faults = [];
  context.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) faults.push(`console: ${message.text()}`);
  });
  context.on('weberror', (error) => faults.push(`script: ${error.error()}`));
  context.on('dialog', async (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    await dialog.dismiss();
  });
  context.on('response', (response) => {
    if (response.status() >= 400) faults.push(`${response.status()} ${response.url()}`);
  });
  context.on('requestfailed', (request) => {
    // What is given up on because the person goes on to another page, such as the event stream, is no fault.
    const why = request.failure()?.errorText;
    if (why !== 'net::ERR_ABORTED') faults.push(`${why} ${request.url()}`);
  });
  const page = await context.newPage();
  return { page, context, faults };
}

export async function signIn(page, token) {
  await page.goto('/login');
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('navigation', { name: 'Pages' }).waitFor();
}

// Signed-in windows of all sizes and colours share one login.
export async function session(browser, token) {
  const { page, context } = await person(browser);
  await signIn(page, token);
  const state = await context.storageState();
  await context.close();
  return state;
}

// Nothing that keeps people out, as axe-core judges: no serious, no critical fault.
export async function accessible(page, where) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  const bad = found.violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  const told = bad.map(({ id, help, nodes }) => {
    const places = nodes.slice(0, 3).map(({ target, failureSummary }) => `    ${target}: ${failureSummary}`);
    return `  ${id} (${nodes.length}): ${help}\n${places.join('\n')}`;
  });
  assert.equal(told.length, 0, `${where}:\n${told.join('\n')}`);
  assert.ok(found.passes.length > 10, `${where}: axe looked at nothing`);
}

// Nothing reaches over the window's right edge.
export async function fits(page, where) {
  const wide = await page.evaluate(() => {
    const edge = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= edge) return [];
    const outside = [...document.body.querySelectorAll('*')].filter((node) => node.getBoundingClientRect().right > edge + 1);
    return ['the page', ...outside.slice(-4).map((node) => node.outerHTML.slice(0, 160))];
  });
  assert.deepEqual(wide, [], `${where} scrolls sideways`);
}

export async function screenshot(page, name) {
  await page.screenshot({ path: join(given.screenshots, `${name}.png`), fullPage: true });
}

export function report(value) {
  console.log(JSON.stringify(value));
}
