/** The section `heartbeats` of tocsin.yaml: what is expected to be heard of regularly. */
import { z } from 'zod';
import { SEVERITIES } from '../core/event.ts';
import type { Heartbeat } from '../core/heartbeat.ts';
import { entriesOf, type Findings } from './check.ts';
import { duration } from './duration.ts';
import { Name } from './schema.ts';

/** Missed beats are looked for every few seconds; a year is longer than anybody waits. */
const EVERY_MS = { min: 10_000, max: 366 * 86_400_000 };
/** As long as a cron job may need for its start and its work. */
const GRACE_MS = 60_000;

export const HeartbeatEntry = z.strictObject({
  every: duration(EVERY_MS).meta({ title: 'Every', description: 'From one beat to the next.' }),
  grace: duration({ min: 1_000, max: EVERY_MS.max }).default(GRACE_MS).meta({
    title: 'Grace',
    description: 'How much later it may come; also how long a run may take that said start.',
  }),
  severity: z.enum(SEVERITIES).default('error').meta({ title: 'Severity', description: 'Of a missed beat.' }),
  title: z.string().min(1).max(200).optional().meta({ title: 'Title', description: 'What the incident is called.' }),
  service: z.string().min(1).max(128).optional().meta({ title: 'Service', description: 'Its name unless given.' }),
  labels: z.record(z.string().min(1).max(128), z.string().max(1_024)).default({}),
  token: z.string().min(16).optional().meta({
    title: 'Token',
    description:
      'Its sender shows it instead of an API key: as a bearer token, as the password of basic authentication, or in the address as ?token=…',
    writeOnly: true,
  }),
});

/** Every valid heartbeat by name; what is wrong with the others has been noted. */
export function heartbeatsOf(value: unknown, findings: Findings): Map<string, Heartbeat> {
  const heartbeats = new Map<string, Heartbeat>();
  for (const [name, written] of entriesOf('heartbeats', value, findings)) {
    const path = ['heartbeats', name];
    findings.check(Name, name, path);
    const entry = findings.check(HeartbeatEntry, written, path);
    if (!entry) continue;
    const { every, grace, severity, labels, title, service, token } = entry;
    heartbeats.set(name, {
      name,
      every_ms: every,
      grace_ms: grace,
      severity,
      labels,
      ...(title === undefined ? {} : { title }),
      ...(service === undefined ? {} : { service }),
      ...(token === undefined ? {} : { token }),
    });
  }
  return heartbeats;
}
