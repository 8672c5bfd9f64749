-- What is expected to be heard of regularly. Deadlines are rows, so they outlive every process; what operators were told is `told`.
create table heartbeats (
  name text primary key,
  every_ms bigint not null,
  grace_ms bigint not null,
  state text not null default 'waiting',
  since timestamptz not null default now(),
  first_at timestamptz not null default now(),
  last_at timestamptz,
  started_at timestamptz,
  message text,
  due_at timestamptz not null,
  watched boolean not null default true,
  told text not null default 'ok'
) with (fillfactor = 50);
create index heartbeats_due on heartbeats (due_at) where watched and state in ('waiting', 'ok');
