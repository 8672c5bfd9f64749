-- The newest state that an end spoke of, by alert: a failure of before it comes too late, also where there was nothing to end.
-- Only of senders that say what they are as of (builds, deployments); a row for each of their keys, and it goes as events do.
create table ended (
  fingerprint text primary key,
  as_of timestamptz not null,
  at timestamptz not null default now()
) with (fillfactor = 70);
