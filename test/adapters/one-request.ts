import { createHttpsClient } from '../../adapters/oauth/https-request.ts';
import { RequestFailed } from '../../adapters/oauth/request-failed.ts';

/** Sends one request and prints what came of it: `node one-request.ts <url> <milliseconds>`. */
const [url = '', milliseconds = ''] = process.argv.slice(2);
const client = createHttpsClient({ allowHttpLoopback: true });
const signal = AbortSignal.timeout(Number(milliseconds));
const made = await client
  .send(url, { method: 'POST', headers: {}, body: 'a=b', signal, profile: 'crm' })
  .catch((error) => {
    if (!(error instanceof RequestFailed)) throw error;
    return { sent: error.sent, code: error.code };
  });
console.log(JSON.stringify(made));
client.close();
