-- What nobody is told of for a while. A maintenance window is a silence with intervals (`during`), and may have no end.
create table silences (
  id uuid primary key,
  kind text not null,
  matchers jsonb not null,
  starts_at timestamptz not null,
  ends_at timestamptz,
  during jsonb,
  created_by text not null,
  comment text not null,
  updated_at timestamptz not null
);
create index silences_ends on silences (ends_at);
-- Alerts that fire and are held back, one row for each route that would tell of them. When what holds one has ended, it is told.
create table held (
  id bigserial primary key,
  fingerprint text not null,
  route text not null,
  -- The last event that says it fires.
  event bigint not null,
  outcome text not null,
  -- Ids of silences, or the fingerprint of the alert that inhibits it; none where the route's own times hold it.
  by text[] not null,
  why text not null,
  at timestamptz not null default now(),
  last_at timestamptz not null default now(),
  expires_at timestamptz,
  -- Where it could keep others quiet: what they are compared with. An alert that is only silenced still does.
  labels jsonb
) with (fillfactor = 70);
create unique index held_alert on held (fingerprint, route);
create index held_expiry on held (expires_at) where expires_at is not null;
create index held_inhibitors on held (id) where labels is not null;
