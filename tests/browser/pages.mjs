// Every page, at 390 and at 1280 pixels, in light and in dark: it fits, keeps nobody out, runs no script that came with
// a lead, lets the browser complain of nothing, and leaves a screenshot for a human look.
import { strict as assert } from 'node:assert';
import { DESK, PHONE, accessible, fits, given, person, report, screenshot, session, withBrowser } from './console.mjs';

const SHAPES = [
  { name: '1280-light', viewport: DESK, colorScheme: 'light', axe: true },
  { name: '1280-dark', viewport: DESK, colorScheme: 'dark' },
  { name: '390-light', viewport: PHONE, colorScheme: 'light' },
  { name: '390-dark', viewport: PHONE, colorScheme: 'dark', axe: true },
];

// What pages of one kind have in common: the path, numbers and values apart.
const kind = (url) => {
  const { pathname, searchParams } = new URL(url, given.console);
  const path = pathname.replaceAll(/\/[^/]*\d[^/]*/g, '/N').replace(/^\/routes\/[^/]+/, '/routes/NAME');
  const named = ['act', 'q'].filter((name) => searchParams.get(name));
  return [path, ...named.map((name) => (name === 'act' ? `act=${searchParams.get(name)}` : name))].join(' ');
};

// All that is wrong, so that one run tells it of all pages.
const complaints = [];
const hold = (check) => check.catch((error) => complaints.push(error.message));

async function look(page, name, faults) {
  for (const { name: shape, viewport, colorScheme, axe } of SHAPES) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme });
    const where = `${name} ${shape}`;
    await hold(fits(page, where));
    if (axe) await hold(accessible(page, where));
    await screenshot(page, `${name}-${shape}`);
  }
  complaints.push(...faults.splice(0).map((fault) => `${name}: ${fault}`));
}

// What was in a lead's values is text: it made no element, and it is there to be read.
async function inert(page, name) {
  const made = await page.evaluate((values) => {
    const suspicious = document.querySelectorAll('img:not([src^="/"]), [onerror], script:not([src^="/"]), iframe, object, embed');
    const shown = document.body.textContent + [...document.querySelectorAll('input, textarea')].map((field) => field.value).join('\n');
    return { elements: [...suspicious].map((node) => node.outerHTML), shown: values.some((value) => shown.includes(value)) };
  }, given.hostile);
  complaints.push(...made.elements.map((element) => `${name}: a value became ${element}`));
  return made.shown;
}

await withBrowser(async (browser) => {
  const seen = new Map();
  const shownOn = [];
  const stranger = await person(browser);
  await stranger.page.goto('/login');
  await look(stranger.page, 'login', stranger.faults);
  const refused = stranger.page;
  await refused.getByLabel('Token').fill('ls_wrong');
  await refused.getByRole('button', { name: 'Sign in' }).click();
  await refused.getByRole('alert').waitFor();
  // The refusal itself is an answer of 401, which the browser mentions.
  stranger.faults.length = 0;
  await look(refused, 'login-refused', stranger.faults);

  const storageState = await session(browser, given.token);
  const waiting = [...given.start];
  const { page, faults } = await person(browser, { storageState });
  for (let path = waiting.shift(); path; path = waiting.shift()) {
    const what = kind(path);
    if (seen.has(what)) continue;
    seen.set(what, path);
    const answer = await page.goto(path);
    if (answer.status() !== 200) complaints.push(`${path}: ${answer.status()}`);
    const name = what.replaceAll(/[^\w]+/g, '-').replace(/^-|-$/g, '') || 'overview';
    if (await inert(page, what)) shownOn.push(what);
    await look(page, name, faults);
    // Pages that pages lead to are visited too, one of each kind.
    const links = await page.locator('a[href^="/"]:not([download])').evaluateAll((all) => all.map((link) => link.getAttribute('href')));
    // And those that a form leads to as it stands.
    const asked = await page.locator('form[method=get]').evaluateAll((all) =>
      all.map((form) => `${form.getAttribute('action')}?${new URLSearchParams(new FormData(form))}`),
    );
    waiting.push(...[...links, ...asked].filter((link) => !/^\/api\/|\/file\b/.test(link)));
  }

  // What is not there is told in the same frame.
  const missing = await page.goto('/attention/letter/4711');
  assert.ok(missing.status() >= 400, `${missing.status()}`);
  faults.length = 0;
  await look(page, 'not-there', faults);

  assert.equal(complaints.length, 0, complaints.join('\n'));
  report({ pages: [...seen.keys()].sort(), shownOn: shownOn.sort() });
});
