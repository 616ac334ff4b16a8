// What the first page costs a browser that has nothing yet: bytes over the wire, and time on the server.
import { strict as assert } from 'node:assert';
import { given, person, report, signIn, withBrowser } from './console.mjs';

const VISITS = 20;

await withBrowser(async (browser) => {
  const fresh = await person(browser);
  await signIn(fresh.page, given.token);
  const storageState = await fresh.context.storageState();

  // Everything up to the page's own load event, headers too.
  const { page, faults } = await person(browser, { storageState });
  await page.goto('/', { waitUntil: 'load' });
  const requests = await page.evaluate(() =>
    [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].map((entry) => ({
      name: new URL(entry.name).pathname,
      bytes: entry.transferSize,
    })),
  );
  const transferred = requests.reduce((sum, request) => sum + request.bytes, 0);

  const times = [];
  for (let visit = 0; visit < VISITS; visit += 1) {
    await page.goto('/');
    times.push(
      await page.evaluate(() => {
        const [{ requestStart, responseStart }] = performance.getEntriesByType('navigation');
        return responseStart - requestStart;
      }),
    );
  }
  times.sort((a, b) => a - b);
  assert.deepEqual(faults, []);
  report({ requests, transferred, server_ms: { median: times[VISITS / 2], worst: times[VISITS - 1] } });
});
