/** The Apprise API: 200 with a JSON that names no error. */
import type { Vendor } from './vendor.ts';

export const vendor: Vendor = { accepts: { body: '{"error":null,"details":[]}' }, at: (url) => ({ api_url: url }) };
