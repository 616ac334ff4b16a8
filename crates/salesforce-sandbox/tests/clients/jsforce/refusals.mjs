// What is refused, and in which shape: whole calls with an errorCode, records with a statusCode.
import { strict as assert } from 'node:assert';
import { lead, loggedIn, refused } from './org.mjs';

const conn = await loggedIn();
const leads = conn.sobject('Lead');
const { id } = await leads.create(lead('taken'));

let error = await refused(leads.create({ LastName: 'Doe' }), 'REQUIRED_FIELD_MISSING', 'Required fields are missing: [Company]');
assert.deepEqual(error.data.fields, ['Company']);
error = await refused(
  leads.create(lead('1', { Plan__c: 'Gold' })),
  'INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST',
  'Plan: bad value for restricted picklist field: Gold',
);
assert.deepEqual(error.data.fields, ['Plan__c']);
await refused(leads.create(lead('taken')), 'DUPLICATE_VALUE', 'duplicate value found: MySQL_Id__c duplicates value on record with id: ' + id.slice(0, 15));
await refused(leads.create(lead('1', { Nope__c: 1 })), 'INVALID_FIELD', "No such column 'Nope__c' on sobject of type Lead");
await refused(leads.create(lead('1', { Birthday__c: 'today' })), 'JSON_PARSER_ERROR', 'Cannot deserialize instance of date from VALUE_STRING value');
await refused(leads.upsert({ Nope__c: '1', LastName: 'Doe' }, 'Nope__c'), 'NOT_FOUND', 'Provided external ID field does not exist or is not accessible: Nope__c');
await refused(conn.sobject('Nope').create({ Name: 'x' }), 'NOT_FOUND', 'The requested resource does not exist');
await refused(conn.request('/nope'), 'NOT_FOUND', 'The requested resource does not exist');

// In a collection a bad record is alone, but a literal that does not convert, or an unknown field, takes all with it.
const results = await leads.upsert(
  [lead('a'), lead('b', { Email: 'no address' }), lead('c'), lead('c'), lead('d', { City: 'x'.repeat(41) })],
  'MySQL_Id__c',
);
assert.deepEqual(results.map(({ success, errors }) => success || errors[0].statusCode), [
  true,
  'INVALID_EMAIL_ADDRESS',
  'DUPLICATE_VALUE',
  'DUPLICATE_VALUE',
  'STRING_TOO_LONG',
]);
assert.equal(results[2].errors[0].message, 'Duplicate external id specified: c');
await refused(leads.upsert([lead('e'), lead('f', { Signup_At__c: 'soon' })], 'MySQL_Id__c'), 'JSON_PARSER_ERROR', 'Cannot deserialize instance of datetime');
await refused(leads.upsert([lead('e'), lead('f', { Nope__c: 1 })], 'MySQL_Id__c'), 'INVALID_FIELD', "No such column 'Nope__c'");

// Two leads share an address: as a key it means neither.
await leads.create([lead('g', { Email: 'same@example.com' }), lead('h', { Email: 'same@example.com' })]);
error = await refused(leads.upsert({ Email: 'same@example.com', LastName: 'Roe', Company: 'Acme' }, 'Email'), 'MULTIPLE_CHOICES', 'Multiple records found');
assert.equal(error.data.length, 2);
const [ambiguous] = await leads.upsert([{ Email: 'same@example.com', LastName: 'Roe', Company: 'Acme' }], 'Email');
assert.equal(ambiguous.errors[0].statusCode, 'DUPLICATE_EXTERNAL_ID');
