-- The ledger as it begins. Released migrations are never edited; the next change is the next number.

create table meta (name text primary key, value text not null);

create table policies (id text primary key, policy jsonb not null);

create table events (
  seq bigserial primary key,
  source text not null,
  id text not null,
  accepted_at timestamptz not null default now(),
  event jsonb not null,
  decision jsonb not null,
  unique (source, id)
);
create index events_accepted on events (accepted_at);

create sequence incident_numbers start 1001;

create table incidents (
  id text primary key,
  number bigint not null,
  key text not null,
  key_words text not null,
  route text not null,
  policy text not null references policies (id),
  lifecycle text,
  title text not null,
  service text,
  source text not null,
  type text not null,
  severity text not null,
  status text not null default 'open',
  working_state text,
  opened_at timestamptz not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  acked_at timestamptz,
  resolved_at timestamptz,
  closed_at timestamptz,
  close_reason text,
  answer text,
  answered_by text,
  answered_at timestamptz,
  answer_rev int not null default 0,
  snoozed_until timestamptz,
  alerts bigint not null default 0,
  last_batch int not null default 0,
  snapshot jsonb,
  snapshot_seen int not null default 0,
  snapshot_revision bigint not null default -1,
  due_at timestamptz
);
create unique index incidents_open_key on incidents (key) where closed_at is null;
create index incidents_number on incidents (number desc);
create index incidents_due on incidents (due_at) where closed_at is null;
create index incidents_opened on incidents (opened_at);

create table alerts (
  id bigserial primary key,
  key text not null,
  fingerprint text not null,
  incident text,
  current boolean not null default true,
  status text not null,
  severity text not null,
  title text not null,
  service text,
  count bigint not null default 1,
  first_at timestamptz not null,
  last_at timestamptz not null,
  resolved_at timestamptz,
  expires_at timestamptz,
  event bigint,
  inhibits boolean not null default false,
  labels jsonb not null default '{}'
);
create unique index alerts_current on alerts (key, fingerprint) where current;
create index alerts_latest on alerts (key, fingerprint, id desc);
create index alerts_fingerprint on alerts (fingerprint) where current and status = 'firing';
create index alerts_incident on alerts (incident, id);
create index alerts_expiry on alerts (expires_at) where current and status = 'firing' and expires_at is not null;
create index alerts_inhibitors on alerts (key) where inhibits and current and status = 'firing';

create table inbox (
  seq bigserial primary key,
  key text not null,
  incident text,
  batch int,
  kind text not null,
  event bigint,
  fingerprint text,
  severity text,
  policy text,
  at timestamptz not null default now(),
  by text,
  detail jsonb
);
create index inbox_waiting on inbox (key, seq) where batch is null;
create index inbox_incident on inbox (incident, seq);
create index inbox_event on inbox (event);

create table batches (
  incident text not null,
  number int not null,
  batch jsonb not null,
  claimed_at timestamptz not null default now(),
  signalled_at timestamptz,
  primary key (incident, number)
);
create index batches_unsent on batches (claimed_at) where signalled_at is null;

create table deliveries (
  key text primary key,
  number bigserial,
  incident text,
  target text not null,
  channel text,
  reason text not null,
  page boolean not null default false,
  level int,
  answer_rev int not null default 0,
  through bigint not null default 0,
  chapter_from bigint,
  status text not null,
  round int not null default 0,
  attempts int not null default 0,
  round_attempts int not null default 0,
  ref jsonb,
  failure text,
  detail text,
  scheduled_at timestamptz not null,
  created_at timestamptz not null default now(),
  next_at timestamptz,
  ended_at timestamptz,
  superseded_by text
);
create unique index deliveries_number on deliveries (number);
create index deliveries_incident on deliveries (incident, number);
create index deliveries_status on deliveries (status, number desc) where status in ('dead', 'sending', 'retrying');

create table attempts (
  id bigserial primary key,
  delivery text not null,
  round int not null,
  started_at timestamptz not null default now(),
  ended_at timestamptz,
  outcome text,
  reason text,
  detail text,
  counted boolean not null default true
);
create index attempts_delivery on attempts (delivery, id);

create table threads (incident text not null, target text not null, ref jsonb not null, primary key (incident, target));

-- One notice outside any incident: a test, a redelivery, a short summary. The relay carries it to `send-one`.
create table sends (
  id bigserial primary key,
  kind text not null,
  target text not null,
  delivery text,
  payload jsonb,
  requested_by text not null,
  requested_at timestamptz not null default now(),
  signalled_at timestamptz,
  ended_at timestamptz,
  outcome jsonb
);
create index sends_waiting on sends (id) where signalled_at is null;

create table summaries (
  name text not null,
  date date not null,
  totals jsonb not null,
  page jsonb,
  status text not null,
  detail text,
  written_at timestamptz not null default now(),
  primary key (name, date)
);

create table keys (
  id text primary key,
  name text not null,
  hash text not null,
  scopes text[] not null,
  created_at timestamptz not null default now(),
  created_by text not null,
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz
);

create table audit (
  seq bigserial primary key,
  at timestamptz not null default now(),
  actor text not null,
  action text not null,
  object text not null,
  detail jsonb not null default '{}',
  request_id text
);
create index audit_object on audit (object, seq);
create function audit_is_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'audit rows are never changed or deleted';
end $$;
create trigger audit_append_only before update or delete on audit for each row execute function audit_is_append_only();
