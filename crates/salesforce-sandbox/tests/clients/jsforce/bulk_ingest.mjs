// Bulk API 2.0: every operation, by jsforce's one call for all and step by step.
import { strict as assert } from 'node:assert';
import { lead, loggedIn, refused, report } from './org.mjs';

const conn = await loggedIn();
const { bulk2 } = conn;
const object = 'Lead';
bulk2.pollInterval = 10;

// Text with everything that CSV makes difficult. jsforce takes the columns of all from the first row.
const Description = 'Zeile eins\nZeile "zwei", mit; allen | Trennern\tund ü 漢 🙂';
const rows = Array.from({ length: 250 }, (_, i) => lead(`${i}`, { Description, Score__c: i, Newsletter__c: i % 2 === 0, Plan__c: 'Free' }));
const bad = [lead('bad', { LastName: null }), lead('worse', { Plan__c: 'Gold' })];
let results = await bulk2.loadAndWaitForResults({ object, operation: 'insert', input: [...rows, ...bad] });
assert.equal(results.successfulResults.length, 250);
assert.ok(results.successfulResults.every((row) => row.sf__Created === 'true' && /^00Q\w{15}$/.test(row.sf__Id)));
// Rows come back in any order: the data joins them.
const byKey = new Map(results.successfulResults.map((row) => [row.MySQL_Id__c, row]));
assert.equal(byKey.get('7').Description, Description);
const errors = Object.fromEntries(results.failedResults.map((row) => [row.MySQL_Id__c, row.sf__Error]));
assert.deepEqual(errors, {
  bad: 'REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --',
  worse: 'INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST:Plan: bad value for restricted picklist field: Gold:Plan__c --',
});
assert.deepEqual(results.unprocessedRecords, []);

// Step by step, with a file: an empty cell leaves a field alone, #N/A empties it.
const job = bulk2.createJob({ object, operation: 'upsert', externalIdFieldName: 'MySQL_Id__c', lineEnding: 'LF', columnDelimiter: 'COMMA' });
const opened = await job.open();
assert.match(opened.id, /^750\w{15}$/);
assert.deepEqual([opened.state, opened.apiVersion, opened.contentUrl], ['Open', 67, `services/data/v67.0/jobs/ingest/${opened.id}/batches`]);
await job.uploadData('MySQL_Id__c,LastName,Company,City,Score__c,Description\n7,Roe,Acme,,#N/A,\nnew,Roe,Acme,Ulm,1,\n');
await job.close();
await job.poll();
const closed = await job.check();
assert.deepEqual(
  [closed.state, closed.jobType, closed.numberRecordsProcessed, closed.numberRecordsFailed],
  ['JobComplete', 'V2Ingest', 2, 0],
);
results = await job.getAllResults();
assert.deepEqual(results.successfulResults.map((row) => [row.MySQL_Id__c, row.sf__Created]).sort(), [['7', 'false'], ['new', 'true']]);
const seven = await conn.sobject('Lead').retrieve(byKey.get('7').sf__Id);
assert.deepEqual([seven.LastName, seven.Score__c, seven.Description], ['Roe', null, Description]);
await job.delete();
await refused(job.check(), 'NOT_FOUND', '');

results = await bulk2.loadAndWaitForResults({
  object,
  operation: 'upsert',
  externalIdFieldName: 'MySQL_Id__c',
  input: [lead('8', { City: 'Ulm', Description: null })],
});
assert.deepEqual(results.successfulResults.map((row) => row.sf__Created), ['false']);
results = await bulk2.loadAndWaitForResults({ object, operation: 'update', input: [{ Id: byKey.get('9').sf__Id, City: 'Ulm' }] });
assert.deepEqual(results.successfulResults.map((row) => row.sf__Id), [byKey.get('9').sf__Id]);
const gone = ['10', '11'].map((key) => ({ Id: byKey.get(key).sf__Id }));
results = await bulk2.loadAndWaitForResults({ object, operation: 'delete', input: [...gone, { Id: '00Qzz0000000001AAA' }] });
assert.deepEqual([results.successfulResults.length, results.failedResults.length], [2, 1]);
report({ seven: seven.Id });
