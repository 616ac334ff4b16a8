// SOAP login and logout, which jsforce falls back to when it knows no app.
import { strict as assert } from 'node:assert';
import { connection, control, jsforce, refusal, refused, report, url, version } from './org.mjs';

const password = process.env.PASSWORD + process.env.SECURITY_TOKEN;
const anonymous = () => new jsforce.Connection({ loginUrl: url, version });
const conn = anonymous();
const user = await conn.login(process.env.USERNAME, password);
assert.match(user.id, /^005\w{15}$/);
assert.match(user.organizationId, /^00D\w{15}$/);
assert.equal(conn.instanceUrl, url);
assert.equal((await conn.identity()).username, process.env.USERNAME);

const first = conn.accessToken;
await control('DELETE', 'sessions');
await conn.limits();
assert.notEqual(conn.accessToken, first);

const token = conn.accessToken;
await conn.logout();
const bare = connection({ oauth2: {}, instanceUrl: url, accessToken: token });
await refused(bare.limits(), 'INVALID_SESSION_ID', 'Session expired or invalid');

const error = await refusal(anonymous().login(process.env.USERNAME, 'wrong'));
assert.match(error.message, /^INVALID_LOGIN: Invalid username, password, security token; or user locked out\.$/);
report({ user: user.id });
