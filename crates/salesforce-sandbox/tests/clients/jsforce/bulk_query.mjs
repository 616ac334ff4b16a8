// Bulk API 2.0 query: a job whose results come in pages.
import { strict as assert } from 'node:assert';
import { lead, loggedIn, refusal } from './org.mjs';

const conn = await loggedIn();
conn.bulk2.pollInterval = 10;
const keys = Array.from({ length: 350 }, (_, i) => `${i}`.padStart(3, '0'));
const Company = 'Acme, "Sons"\n& Daughters';
await conn.sobject('Lead').upsert(keys.map((key) => lead(key, { Company })), 'MySQL_Id__c', { allowRecursive: true });

const rows = await (await conn.bulk2.query('SELECT Id, MySQL_Id__c, Company, Email FROM Lead ORDER BY MySQL_Id__c')).toArray();
assert.deepEqual(rows.map((row) => row.MySQL_Id__c), keys);
assert.deepEqual([rows[0].Company, rows[0].Email], [Company, '']);

const error = await refusal(conn.bulk2.query('SELECT Nope__c FROM Lead'));
assert.ok(error.message.length > 0);
