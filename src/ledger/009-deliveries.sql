-- Deliveries as things: what a provider says of a message later, what an operator does with one, and how each attempt went.

-- `awaited`: the provider took it and may say more; null where what was taken has arrived.
alter table deliveries add column receipt text;
alter table deliveries add column receipt_at timestamptz;
-- The number of the delivery that this one repeats under a key of its own, because an operator asked for it.
alter table deliveries add column redirected_from bigint;
alter table attempts add column code text;
alter table attempts add column latency_ms int;

-- What a receipt names is a text somewhere in the ref: one delivery may be several messages.
create index deliveries_receipts on deliveries using gin (jsonb_path_query_array(ref, 'strict $.** ? (@.type() == "string")')) where receipt is not null;
create index deliveries_target on deliveries (target, number desc);
create index deliveries_created on deliveries (created_at);
create index deliveries_redirected on deliveries (redirected_from) where redirected_from is not null;

-- A delivery is sent again by one request at a time; a send whose workflow was lost is ended by the keeping.
create index sends_under_way on sends (delivery) where ended_at is null;
create index sends_unended on sends (signalled_at) where ended_at is null and signalled_at is not null;

-- How each integration fares, by core/health.ts; no row is as good as `ok`. What was told of it to operators is `told`.
create table integration_health (
  name text primary key,
  state text not null default 'ok',
  since timestamptz not null default now(),
  because text,
  failure text,
  detail text,
  failing_since timestamptz,
  refused int not null default 0,
  dead int not null default 0,
  probe_at timestamptz,
  told text not null default 'ok',
  told_at timestamptz
) with (fillfactor = 50);
