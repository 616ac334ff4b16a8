// Runs the script that is named and ends with it, whatever sockets are still open: a server on the same machine may
// have answered before node-fetch has ended its request, over TLS such a socket is never given back to the pool, and
// node waits for it. jsforce does so with any server that is quick enough.
import { pathToFileURL } from 'node:url';

await import(pathToFileURL(process.argv[2]));
process.exit();
