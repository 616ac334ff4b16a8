// Gateways, cut connections, retired versions: what jsforce makes of each.
import { strict as assert } from 'node:assert';
import { arm, lead, loggedIn, refusal, refused } from './org.mjs';

const conn = await loggedIn();
const leads = conn.sobject('Lead');

// jsforce never repeats a POST or PATCH by itself.
await arm({ on: 'single', times: 1, action: { kind: 'html', status: 503 } });
let error = await refused(leads.create(lead('1')), 'ERROR_HTTP_503', 'HTTP response contains html content');
assert.match(error.data, /<html/i);
await arm({ on: 'collections', times: 1, action: { kind: 'drop', commit: true } });
error = await refusal(leads.upsert([lead('2')], 'MySQL_Id__c'));
assert.equal(error.name, 'FetchError');
// It was written all the same.
const [repeated] = await leads.upsert([lead('2')], 'MySQL_Id__c');
assert.equal(repeated.created, false);

// It repeats a GET: one bad reply goes unnoticed.
await arm({ on: 'other', times: 1, action: { kind: 'html', status: 503 } });
assert.ok((await conn.limits()).DailyApiRequests.Max > 0);

const old = await loggedIn({ version: '30.0' });
await refused(old.describeGlobal(), 'GONE', '');
