// Bulk jobs that fail, wait, or are stopped: what was written stays, and every row is in one of the three files.
import { strict as assert } from 'node:assert';
import { arm, control, lead, loggedIn, refusal, refused } from './org.mjs';

const conn = await loggedIn();
const { bulk2 } = conn;
const object = 'Lead';
bulk2.pollInterval = 10;
const rows = (count, prefix) => Array.from({ length: count }, (_, i) => lead(`${prefix}${i}`));

async function closedJob(input, more = {}) {
  const job = bulk2.createJob({ object, operation: 'insert', ...more });
  await job.open();
  await job.uploadData(input);
  await job.close();
  return job;
}

async function fails(job, message) {
  const error = await refusal(job.poll());
  assert.equal(error.message, `Ingest job failed to complete due to: ${message}`);
  assert.equal((await job.check()).state, 'Failed');
}

// The whole job fails for a column that is not there, or for line ends other than it was told.
const stray = await closedJob(rows(3, 'stray').map((row) => ({ ...row, Foo__c: 'x' })));
await fails(stray, 'InvalidBatch : Field name not found : Foo__c');
assert.equal((await stray.getUnprocessedRecords()).length, 3);
await fails(
  await closedJob('LastName,Company\r\nDoe,Acme\r\n'),
  'ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF',
);

// It gives up half way. One row was refused before.
await arm({ on: 'bulk', times: 1, action: { kind: 'bulk_fail', after_rows: 200, message: 'TooManyLockFailure : Too many lock failure' } });
await arm({ on: 'bulk', keys: ['half7'], action: { kind: 'record_error', status_code: 'UNABLE_TO_LOCK_ROW', message: 'unable to obtain exclusive access to this record' } });
const half = await closedJob(rows(450, 'half'), { operation: 'upsert', externalIdFieldName: 'MySQL_Id__c' });
await fails(half, 'TooManyLockFailure : Too many lock failure');
const info = half.getInfo();
assert.deepEqual([info.numberRecordsProcessed, info.numberRecordsFailed], [200, 1]);
const { successfulResults, failedResults, unprocessedRecords } = await half.getAllResults();
assert.deepEqual([successfulResults.length, unprocessedRecords.length], [199, 250]);
assert.deepEqual(failedResults.map((row) => [row.MySQL_Id__c, row.sf__Error]), [
  ['half7', 'UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--'],
]);
const seen = [...successfulResults, ...failedResults, ...unprocessedRecords].map((row) => row.MySQL_Id__c);
assert.deepEqual(seen.sort(), rows(450, 'half').map((row) => row.MySQL_Id__c).sort());

// It is slow: jsforce stops waiting, and may come back with the id alone.
await arm({ on: 'bulk', times: 1, action: { kind: 'bulk_hold', after_rows: 200 } });
const slow = await closedJob(rows(300, 'slow'));
const error = await refusal(slow.poll(10, 100));
assert.deepEqual([error.name, error.jobId], ['JobPollingTimeout', slow.id]);
const again = bulk2.job('ingest', { id: slow.id });
assert.equal((await again.check()).state, 'InProgress');
await control('POST', 'release');
await again.poll();
assert.equal((await again.getSuccessfulResults()).length, 300);

// It is stopped before it began.
const stopped = bulk2.createJob({ object, operation: 'insert' });
await stopped.open();
await stopped.uploadData(rows(2, 'stopped'));
await stopped.abort();
assert.equal((await stopped.check()).state, 'Aborted');
assert.equal((await stopped.getUnprocessedRecords()).length, 2);
await refused(stopped.close(), 'INVALIDJOBSTATE', '');

// The session dies between two steps.
const renewed = bulk2.createJob({ object, operation: 'insert' });
await renewed.open();
await renewed.uploadData(rows(1, 'renewed'));
await control('DELETE', 'sessions');
await renewed.close();
await renewed.poll();
assert.equal((await renewed.getSuccessfulResults()).length, 1);
