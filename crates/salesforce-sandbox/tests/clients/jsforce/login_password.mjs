// A user's name, password and security token, for an app with a secret.
import { strict as assert } from 'node:assert';
import { connection, control, refusal, report, url } from './org.mjs';

const password = process.env.PASSWORD + process.env.SECURITY_TOKEN;
const conn = connection();
const user = await conn.login(process.env.USERNAME, password);
assert.match(user.id, /^005\w{15}$/);
assert.equal(conn.instanceUrl, url);
await conn.limits();

// jsforce keeps the password for when the session dies.
const first = conn.accessToken;
await control('DELETE', 'sessions');
await conn.limits();
assert.notEqual(conn.accessToken, first);

const error = await refusal(connection().login(process.env.USERNAME, 'wrong'));
assert.deepEqual([error.name, error.message], ['invalid_grant', 'authentication failure']);
report({ user: user.id });
