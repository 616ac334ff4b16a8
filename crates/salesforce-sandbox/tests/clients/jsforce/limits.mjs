// The day's calls run out: 403 by code and message, counted in the header of every reply before.
import { strict as assert } from 'node:assert';
import { clientId, control, lead, loggedIn, refused } from './org.mjs';

const conn = await loggedIn();
const leads = conn.sobject('Lead');
await leads.create(lead('1'));
assert.deepEqual(conn.limitInfo, { apiUsage: { used: 1, limit: 3 } });
const { Max, Remaining, [clientId]: app } = (await conn.limits()).DailyApiRequests;
assert.deepEqual({ Max, Remaining, app }, { Max: 3, Remaining: 1, app: { Max: 2, Remaining: 0 } });
await leads.upsert([lead('1'), lead('2')], 'MySQL_Id__c');
assert.deepEqual(conn.limitInfo, { apiUsage: { used: 3, limit: 3 } });
await refused(leads.create(lead('3')), 'REQUEST_LIMIT_EXCEEDED', 'TotalRequests Limit exceeded.');
await refused(leads.upsert([lead('3')], 'MySQL_Id__c'), 'REQUEST_LIMIT_EXCEEDED', 'TotalRequests Limit exceeded.');
// A day later they are there again; the refused calls were not counted.
await control('POST', 'clock', { advance_seconds: 24 * 3600 + 1 });
await leads.create(lead('3'));
assert.deepEqual(conn.limitInfo, { apiUsage: { used: 1, limit: 3 } });
