-- How often each integration may be told is counted here, so that all workers count together.

create table rates (integration text primary key, next_at timestamptz not null) with (fillfactor = 20);
