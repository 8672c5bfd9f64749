/** A mail server: not HTTP. */
import type { Vendor } from './vendor.ts';

export const vendor: Vendor = {
  at: (url) => ({ host: new URL(url).hostname, port: Number(new URL(url).port), tls: 'none' }),
};
