// Asks the console and the API again and again while the pipeline is busy, and tells how long each answer took.
import { strict as assert } from 'node:assert';
import { given, report } from './console.mjs';

const headers = { authorization: `Bearer ${given.token}` };

async function ask(path) {
  const began = performance.now();
  const answer = await fetch(given.console + path, { headers, redirect: 'manual' });
  const body = await answer.text();
  const took = performance.now() - began;
  assert.equal(answer.status, 200, `${path}: ${answer.status} ${body.slice(0, 300)}`);
  return { took, body };
}

const settled = ({ routes: [route] }) => route.captured - route.in_flight;

const took = { '/': [], '/api/v1/status': [] };
// Only what is answered while there is work to do counts.
let last = 0;
do {
  for (const path of Object.keys(took)) {
    const answer = await ask(path);
    if (path !== '/') last = settled(JSON.parse(answer.body));
    took[path].push(answer.took);
  }
} while (last < given.rows);

const figures = (times) => {
  times.sort((a, b) => a - b);
  const at = (share) => Number(times[Math.ceil(times.length * share) - 1].toFixed(1));
  return { answers: times.length, p50: at(0.5), p99: at(0.99), worst: at(1) };
};
report(Object.fromEntries(Object.entries(took).map(([path, times]) => [path, figures(times)])));
