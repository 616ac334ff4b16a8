// The console without a mouse: Tab reaches everything that can be used, in the order in which it is read, each shows
// that it has the focus, and Enter does what a click does.
import { strict as assert } from 'node:assert';
import { given, person, report, session, withBrowser } from './console.mjs';

// What can be used on this page, in the order of the document; of radio buttons with one name, the chosen one.
const usable = () => {
  const all = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]';
  const seen = new Set();
  const label = (node) => `${node.tagName.toLowerCase()} ${node.innerText || node.name || node.value || node.className}`.slice(0, 80);
  globalThis.labelOf = label;
  return [...document.querySelectorAll(all)]
    .filter((node) => node.checkVisibility({ visibilityProperty: true }) && !node.disabled)
    .filter((node) => {
      if (node.type !== 'radio') return true;
      const group = [...document.querySelectorAll(`input[type=radio][name="${node.name}"]`)];
      const chosen = group.find((other) => other.checked) ?? group[0];
      return node === chosen && !seen.has(node.name) && seen.add(node.name);
    })
    .map(label);
};

// What has the focus, and whether it shows it.
const focused = () => {
  const node = document.activeElement;
  if (!node || node === document.body) return null;
  const { outlineStyle, outlineWidth } = getComputedStyle(node);
  const box = node.getBoundingClientRect();
  const shown = outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 && box.width > 0 && box.right > 0;
  return { label: globalThis.labelOf(node), shown };
};

async function walk(page, path) {
  await page.goto(path);
  const expected = await page.evaluate(usable);
  const reached = [];
  for (let step = 0; step < expected.length; step += 1) {
    await page.evaluate(() => (globalThis.before = document.activeElement));
    // A date has parts, which Tab goes through one by one.
    for (let part = 0; part < 6; part += 1) {
      await page.keyboard.press('Tab');
      if (await page.evaluate(() => globalThis.before !== document.activeElement)) break;
    }
    const at = await page.evaluate(focused);
    assert.ok(at, `${path}: Tab ${step + 1} leads nowhere, expected ${expected[step]}`);
    assert.ok(at.shown, `${path}: ${at.label} does not show that it has the focus`);
    reached.push(at.label);
  }
  assert.deepEqual(reached, expected, path);
  return reached.length;
}

// Presses Tab until a link or button of this name has the focus.
async function tabTo(page, name) {
  for (let step = 0; step < 200; step += 1) {
    await page.keyboard.press('Tab');
    const text = await page.evaluate(() => (document.activeElement.innerText || document.activeElement.value || '').trim());
    if (name.test(text)) return;
  }
  assert.fail(`Tab does not reach ${name}`);
}

await withBrowser(async (browser) => {
  const { page, faults } = await person(browser, { storageState: await session(browser, given.token) });

  // Past the navigation, with two keys.
  await page.goto('/');
  await page.keyboard.press('Tab');
  const skip = page.getByRole('link', { name: 'Skip to the content' });
  assert.ok(await skip.evaluate((link) => link === document.activeElement && link.getBoundingClientRect().left >= 0));
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement.id === 'main');
  await page.keyboard.press('Tab');
  assert.ok(await page.evaluate(() => document.getElementById('main').contains(document.activeElement)));

  // From the first page to a cause, by Enter alone.
  await page.goto('/');
  await tabTo(page, /^Needs attention/);
  await Promise.all([page.waitForURL('**/attention'), page.keyboard.press('Enter')]);
  await page.getByRole('heading', { level: 1, name: 'Needs attention' }).waitFor();

  let reached = 0;
  for (const path of given.pages) reached += await walk(page, path);
  assert.deepEqual(faults, []);
  report({ reached });
});
