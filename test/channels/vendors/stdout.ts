/** The terminal: nobody to wait for. */
import type { Vendor } from './vendor.ts';

export const vendor: Vendor = {};
