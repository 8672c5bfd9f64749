-- Answer tokens that have been used, by their digest: each is good for one answer. They go with the deliveries they came with.
create table answer_uses (token text primary key, by text not null, at timestamptz not null default now());
create index answer_uses_at on answer_uses (at);
