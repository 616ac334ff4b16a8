// One lead at a time: create, read, update, upsert, delete.
import { strict as assert } from 'node:assert';
import { lead, loggedIn, refused, report } from './org.mjs';

const conn = await loggedIn();
const leads = conn.sobject('Lead');

const created = await leads.create(lead('1', { Email: 'doe@example.com' }));
assert.equal(created.success, true);
assert.match(created.id, /^00Q\w{15}$/);
const read = await leads.retrieve(created.id);
assert.equal(read.attributes.type, 'Lead');
assert.deepEqual([read.Id, read.LastName, read.Email, read.IsConverted], [created.id, 'Doe', 'doe@example.com', false]);
const some = await conn.retrieve('Lead', created.id, { fields: ['LastName', 'MySQL_Id__c'] });
assert.deepEqual([some.LastName, some.MySQL_Id__c, 'Company' in some], ['Doe', '1', false]);

assert.equal((await leads.update({ Id: created.id, LastName: 'Roe', Email: null })).success, true);
assert.equal((await leads.retrieve(created.id)).Email, null);

const again = await leads.upsert(lead('1', { Company: 'Acme Two' }), 'MySQL_Id__c');
assert.deepEqual([again.id, again.created], [created.id, false]);
const second = await leads.upsert(lead('2'), 'MySQL_Id__c');
assert.equal(second.created, true);

assert.equal((await leads.destroy(second.id)).success, true);
await refused(leads.retrieve(second.id), 'ENTITY_IS_DELETED', 'entity is deleted');
report({ id: created.id });
