// The app logs in as itself.
import { strict as assert } from 'node:assert';
import { clientId, connection, jsforce, refusal, report, url, version } from './org.mjs';

const conn = connection();
const user = await conn.authorize({ grant_type: 'client_credentials' });
assert.match(user.organizationId, /^00D\w{15}$/);
assert.match(user.id, /^005\w{15}$/);
assert.equal(conn.instanceUrl, url);
assert.match(conn.accessToken, /^00D\w{12}!.+/);
await conn.limits();

const refuse = async (oauth2, name, message) => {
  const stranger = new jsforce.Connection({ loginUrl: url, version, oauth2: { loginUrl: url, ...oauth2 } });
  const error = await refusal(stranger.authorize({ grant_type: 'client_credentials' }));
  assert.deepEqual([error.name, error.message], [name, message]);
};
await refuse({ clientId, clientSecret: 'wrong' }, 'invalid_client', 'invalid client credentials');
await refuse({ clientId: 'nobody', clientSecret: 'x' }, 'invalid_client_id', 'client identifier invalid');
report({ user: user.id });
