// The org's own rules: duplicates that may be saved all the same, validation, a trigger that fails.
import { strict as assert } from 'node:assert';
import { lead, loggedIn, refused } from './org.mjs';

const conn = await loggedIn();
const leads = conn.sobject('Lead');
const Email = 'ada@example.com';
const first = await leads.create(lead('1', { Email }));

// An upsert that would insert is held to the rule too; the single call tells which lead it is.
let error = await refused(leads.upsert(lead('2', { Email }), 'MySQL_Id__c'), 'DUPLICATES_DETECTED', 'Use one of these records?');
const { duplicateResut: told } = error.data;
assert.equal(told.allowSave, true);
assert.equal(told.matchResults[0].matchRecords[0].record.Id, first.id);
const [refusal] = await leads.upsert([lead('2', { Email })], 'MySQL_Id__c');
assert.deepEqual(refusal.errors, [{ statusCode: 'DUPLICATES_DETECTED', message: 'Use one of these records?', fields: [] }]);
const headers = { 'Sforce-Duplicate-Rule-Header': 'allowSave=true' };
const [saved] = await leads.upsert([lead('2', { Email })], 'MySQL_Id__c', { headers });
assert.equal(saved.created, true);

error = await refused(leads.create(lead('3', { AnnualRevenue: -1 })), 'FIELD_CUSTOM_VALIDATION_EXCEPTION', 'Revenue cannot be negative.');
assert.deepEqual(error.data.fields, ['AnnualRevenue']);
await refused(leads.create(lead('4', { Title: 'Troll' })), 'CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY', 'LeadTrigger: ');

// In bulk no header can be given: the alert is a wall.
conn.bulk2.pollInterval = 10;
const results = await conn.bulk2.loadAndWaitForResults({
  object: 'Lead',
  operation: 'upsert',
  externalIdFieldName: 'MySQL_Id__c',
  input: [lead('5', { Email }), lead('6', { Email: 'grace@example.com' })],
});
assert.deepEqual(results.successfulResults.map((row) => row.MySQL_Id__c), ['6']);
assert.equal(results.failedResults[0].sf__Error, 'DUPLICATES_DETECTED:Use one of these records?:--');
