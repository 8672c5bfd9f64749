/** A workflow of Power Automate: 202 and nothing. */
import type { Vendor } from './vendor.ts';

export const vendor: Vendor = {
  accepts: { status: 202, body: '' },
  at: (url) => ({ url: `${url}/workflows/1/triggers/manual/paths/invoke?sig=fake` }),
};
