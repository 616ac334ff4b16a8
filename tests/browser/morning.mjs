// The morning of somebody in sales operations: what needs attention, put right in three ways, and looked after.
// Everything is found as a person finds it, by what is written on it.
import { strict as assert } from 'node:assert';
import { given, person, report, screenshot, signIn, withBrowser } from './console.mjs';

const heading = (page, name) => page.getByRole('heading', { level: 1, name, exact: true }).waitFor();
const follow = (page, name) => page.getByRole('link', { name, exact: true }).click();
const press = (page, name) => page.getByRole('button', { name, exact: true }).click();
const sees = (page, text) => page.getByText(text).first().waitFor();
const goTo = (page, name) => page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name }).click();
// The cells of a table's body, row by row.
const rows = (page) => page.locator('table.rows tbody tr').evaluateAll((all) => all.map((row) => [...row.cells].map((cell) => cell.innerText.trim())));

// Who may only look sees the causes, and of people how their values begin; what changes is neither offered nor taken.
async function viewer(browser, causes) {
  const { page, faults } = await person(browser);
  await signIn(page, given.viewer);
  await goTo(page, 'Needs attention');
  await follow(page, causes[0]);
  await heading(page, causes[0]);
  const seen = (await rows(page)).map((row) => row[2]);
  assert.deepEqual(seen, Array(7).fill('B•••'));
  await page.locator('table.rows tbody a').first().click();
  await sees(page, 'hidden from your role');
  const text = await page.locator('body').innerText();
  for (const personal of ['Bayern', 'Ada', 'Lovelace', 'mail.example']) assert.ok(!text.includes(personal), personal);
  assert.equal(await page.getByRole('button', { name: /send|discard|save/i }).count(), 0);
  // By hand, with all that a form would carry.
  const answer = await page.evaluate(async () => {
    const csrf = document.querySelector('input[name=csrf]').value;
    const body = new URLSearchParams({ csrf, reason: 'by hand' });
    return (await fetch(`${location.pathname}/discard`, { method: 'POST', body })).status;
  });
  assert.equal(answer, 403);
  assert.ok(faults.every((fault) => fault.includes('403')), faults.join());
  await page.context().close();
}

await withBrowser(async (browser) => {
  const { page, faults } = await person(browser);

  // Nobody is in without signing in.
  await page.goto('/');
  await page.waitForURL('**/login');
  await signIn(page, given.token);

  // Three causes need attention, and the first page says so.
  await heading(page, 'Overview');
  const waiting = page.getByRole('region', { name: 'What needs a person' });
  const causes = ['7 leads: State is not in the list', '1 lead: Plan is not in the list', '1 lead: Email is not an e-mail address'];
  for (const cause of causes) await waiting.getByRole('link', { name: cause, exact: true }).waitFor();
  assert.equal(await waiting.getByRole('listitem').count(), 3);
  await goTo(page, 'Needs attention');
  await heading(page, 'Needs attention');
  await sees(page, '3 causes, 9 leads wait for a person');

  await viewer(browser, causes);

  // A group is mended: seen first, then done and sent.
  await follow(page, causes[0]);
  await heading(page, causes[0]);
  const listed = await rows(page);
  assert.ok(listed.every((row) => row[2].includes('Lovelace')), listed.join());
  assert.deepEqual(listed.map((row) => row[3]), Array(7).fill('Bayern'));
  const state = page.getByRole('combobox', { name: 'State' });
  const offered = await state.getByRole('option').allInnerTexts();
  assert.deepEqual(offered, ['(empty)', 'Bavaria', 'Hesse', 'Saxony']);
  await state.selectOption('Bavaria');
  await press(page, 'See what would change');
  await heading(page, 'Set State for 7 leads?');
  await sees(page, 'State would be “Bavaria”. Nothing is changed yet. Of 7 leads, 7 would be changed, and none would be refused.');
  assert.deepEqual((await rows(page)).map((row) => row.slice(1)), Array(7).fill(['“Bayern”', '“Bavaria”']));
  await press(page, 'Change 7 leads');
  await heading(page, 'Mending a group');
  await page.getByRole('heading', { name: 'Done' }).waitFor();
  await sees(page, '7 of 7 leads arrived in Salesforce');
  await screenshot(page, 'morning-mended');
  await follow(page, 'All that needs attention');
  await sees(page, '2 causes, 2 leads wait for a person');

  // One is mended by hand, with what Salesforce's list offers.
  await follow(page, causes[1]);
  await follow(page, '8');
  const plan = page.getByRole('combobox', { name: 'Plan' });
  assert.equal(await plan.locator('option:checked').innerText(), 'Platinum (not in the list)');
  const plans = await plan.getByRole('option').allInnerTexts();
  assert.deepEqual(plans.slice(-4), ['Free', 'Team', 'Business', 'Enterprise']);
  await plan.selectOption('Enterprise');
  await press(page, 'Save and send again');
  await sees(page, 'It has arrived in Salesforce');

  // One is nobody: discarded, with a reason.
  await goTo(page, 'Needs attention');
  await follow(page, causes[2]);
  await follow(page, '9');
  await page.getByText('Discard…', { exact: true }).click();
  await page.getByLabel('Reason').fill('a test of the form');
  await page.getByRole('button', { name: /^Discard dead letter/ }).click();
  await sees(page, 'morgan discarded it: it was not sent');
  await goTo(page, 'Needs attention');
  await sees(page, 'Nothing waits for a person');

  // What became of the first one, from her address.
  await goTo(page, 'Find a lead');
  await page.getByRole('searchbox').fill('ada@mail.example');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Lead 1', exact: true }).waitFor();
  const story = await page.locator('ol.timeline > li').allInnerTexts();
  const tells = (step, ...words) => words.every((word) => step?.includes(word));
  const steps = [['Dead letter 1'], ['morgan', '“Bayern”', '“Bavaria”'], ['morgan'], ['Salesforce']];
  let next = 0;
  for (const step of story) if (next < steps.length && tells(step, ...steps[next])) next += 1;
  assert.equal(next, steps.length, `the story lacks ${steps[next]}:\n${story.join('\n--\n')}`);
  const link = await page.getByRole('link', { name: /opens Salesforce/ }).first().getAttribute('href');
  await screenshot(page, 'morning-traced');

  // Who did what is known.
  await goTo(page, 'Activity');
  await heading(page, 'Activity');
  await sees(page, 'morgan');
  await sees(page, 'a test of the form');

  await press(page, 'Sign out');
  await page.waitForURL('**/login');
  // What was shown is asked for anew, and not given, by Back either.
  await page.evaluate(() => history.back());
  await page.waitForURL('**/login?next=/activity');
  await page.getByLabel('Token').waitFor();
  await page.goto('/attention');
  await page.waitForURL('**/login?next=/attention');
  assert.deepEqual(faults, []);
  report({ link, story });
});
