/** A user's own receiver: any 2xx. */
import type { Vendor } from './vendor.ts';

export const vendor: Vendor = { accepts: { body: '' }, at: (url) => ({ url }) };
