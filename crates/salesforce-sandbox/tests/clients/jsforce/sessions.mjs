// A session dies in the middle of work: jsforce logs in anew and repeats the call, once for all calls in flight.
import { strict as assert } from 'node:assert';
import { arm, connection, control, lead, loggedIn, refused, report, url } from './org.mjs';

const conn = await loggedIn();
let refreshes = 0;
conn.on('refresh', () => (refreshes += 1));
const leads = conn.sobject('Lead');
const first = conn.accessToken;

await control('DELETE', 'sessions');
const results = await leads.upsert([lead('1'), lead('2')], 'MySQL_Id__c');
assert.deepEqual(results.map(({ created }) => created), [true, true]);
assert.notEqual(conn.accessToken, first);
assert.equal(refreshes, 1);

// Idle for longer than the org allows.
await control('POST', 'clock', { advance_seconds: 7201 });
await Promise.all(['3', '4', '5'].map((key) => leads.upsert(lead(key), 'MySQL_Id__c')));
assert.equal(refreshes, 2);

// A 401 that a new session does not cure reaches the caller.
await arm({ on: 'single', times: 1, action: { kind: 'refuse', status: 401, code: 'INVALID_SESSION_ID', message: 'This session is not valid for use with the REST API' } });
await refused(leads.create(lead('6')), 'INVALID_SESSION_ID', 'This session is not valid');
assert.equal(refreshes, 2);

// Logging out revokes the token.
const token = conn.accessToken;
await conn.logout();
const bare = connection({ oauth2: {}, instanceUrl: url, accessToken: token });
await refused(bare.limits(), 'INVALID_SESSION_ID', 'Session expired or invalid');
report({ refreshes });
