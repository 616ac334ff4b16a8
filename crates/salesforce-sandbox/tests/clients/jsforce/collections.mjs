// Many leads a call; jsforce cuts more than 200 into several.
import { strict as assert } from 'node:assert';
import { lead, loggedIn, refused, report } from './org.mjs';

const conn = await loggedIn();
const leads = conn.sobject('Lead');
const many = (count, more) => Array.from({ length: count }, (_, i) => lead(`${i}`, more));

const created = await leads.create(many(450), { allowRecursive: true });
assert.equal(created.length, 450);
assert.ok(created.every(({ success, errors }) => success && errors.length === 0));
const ids = created.map(({ id }) => id);
assert.equal(new Set(ids).size, 450);

// In list order, with whether each was new.
const mixed = [...many(399, { LastName: 'Roe' }), lead('new', { LastName: 'Roe' }), lead('bad', { LastName: null })];
const upserted = await leads.upsert(mixed, 'MySQL_Id__c', { allowRecursive: true });
assert.deepEqual(upserted.slice(0, 399).map(({ id }) => id), ids.slice(0, 399));
assert.ok(upserted.slice(0, 399).every((result) => result.created === false));
assert.equal(upserted[399].created, true);
assert.deepEqual(upserted[400].errors, [
  { statusCode: 'REQUIRED_FIELD_MISSING', message: 'Required fields are missing: [LastName]', fields: ['LastName'] },
]);

const updated = await leads.update(ids.map((Id) => ({ Id, Company: 'Acme Two' })), { allowRecursive: true });
assert.equal(updated.filter(({ success }) => success).length, 450);

const unknown = '00Qzz0000000001AAA';
const read = await conn.retrieve('Lead', [ids[1], unknown, ids[0]], { fields: ['Id', 'Company', 'MySQL_Id__c'] });
assert.deepEqual(read.map((row) => row && row.MySQL_Id__c), ['1', null, '0']);
assert.equal(read[0].Company, 'Acme Two');
// Without a list of fields jsforce asks for all that describe names.
const [whole] = await conn.retrieve('Lead', [ids[2]]);
assert.deepEqual([whole.LastName, whole.Status], ['Roe', 'Open - Not Contacted']);

const deleted = await leads.destroy(ids.slice(0, 201), { allowRecursive: true });
assert.ok(deleted.every(({ success }) => success));
const [gone] = await leads.destroy([ids[0]]);
assert.deepEqual([gone.success, gone.errors[0].statusCode], [false, 'ENTITY_IS_DELETED']);

// All or none: the good one goes down with the bad one.
const both = [lead('good'), lead('worse', { Company: null })];
const none = await leads.create(both, { allOrNone: true });
assert.deepEqual(
  none.map(({ success, errors }) => [success, errors[0].statusCode]),
  [[false, 'ALL_OR_NONE_OPERATION_ROLLED_BACK'], [false, 'REQUIRED_FIELD_MISSING']],
);

// jsforce leaves the limit to the org unless it is told to split.
await refused(leads.upsert(many(201), 'MySQL_Id__c'), 'EXCEEDED_ID_LIMIT', 'record limit reached');
report({ left: 450 - 201 + 1 });
