// While a call that runs for 20 seconds fills the org, every new one is refused; when it has ended, none.
import { strict as assert } from 'node:assert';
import { arm, control, lead, loggedIn, refused } from './org.mjs';

const conn = await loggedIn();
const leads = conn.sobject('Lead');
await arm({ on: 'single', times: 1, action: { kind: 'hold' } });
const slow = leads.create(lead('slow'));
while ((await control('GET', 'stats')).held_requests === 0);
await leads.upsert([lead('quick')], 'MySQL_Id__c');
await control('POST', 'clock', { advance_seconds: 20 });
const busy = 'ConcurrentRequests (Concurrent API Requests) Limit exceeded.';
await refused(leads.upsert([lead('late')], 'MySQL_Id__c'), 'REQUEST_LIMIT_EXCEEDED', busy);
await refused(conn.limits(), 'REQUEST_LIMIT_EXCEEDED', busy);
await control('POST', 'release');
assert.equal((await slow).success, true);
await leads.upsert([lead('late')], 'MySQL_Id__c');
