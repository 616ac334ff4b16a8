// Headers that change what a write does, and those that change how it travels.
import { strict as assert } from 'node:assert';
import diagnostics from 'node:diagnostics_channel';
import { lead, loggedIn } from './org.mjs';

const conn = await loggedIn({ callOptions: { client: 'jsforce-check', defaultNamespace: 'acme' } });
const leads = conn.sobject('Lead');
const owner = async (id) => (await leads.retrieve(id)).OwnerId;

// Present or absent, the header decides who owns the lead; the rule acts on updates too.
const kept = await leads.create(lead('kept'), { headers: { 'Sforce-Auto-Assign': 'FALSE' } });
const routed = await leads.create(lead('routed'));
assert.equal(await owner(kept.id), conn.userInfo.id);
assert.equal(await owner(routed.id), process.env.RULE_OWNER);
await leads.upsert([lead('kept', { City: 'Ulm' })], 'MySQL_Id__c', { headers: { 'sforce-auto-assign': 'false' } });
assert.equal(await owner(kept.id), conn.userInfo.id);
await leads.upsert([lead('kept', { City: 'Ulm' })], 'MySQL_Id__c');
assert.equal(await owner(kept.id), process.env.RULE_OWNER);

// What went over the wire, which jsforce unpacks before it shows it.
const encodings = [];
diagnostics.subscribe('http.client.response.finish', ({ response }) => encodings.push(response.headers['content-encoding']));
assert.equal((await conn.describe('Lead')).name, 'Lead');
assert.deepEqual(encodings, ['gzip']);
const pretty = await conn.request({ method: 'GET', url: '/limits', headers: { 'X-PrettyPrint': '1' } }, { responseType: 'text/plain' });
assert.match(pretty, /^\{\n {2}"\w+" : \{\n {4}"Max" : \d+,/);
