-- What is kept long enough goes, a little at a time: the ways by which it is found.

create index incidents_closed on incidents (closed_at) where closed_at is not null;
create index decisions_day on decisions (day);
-- Rows that opened nothing belong to no incident that they could go with.
create index inbox_unopened on inbox (at) where incident is null and batch is not null;

-- A fifth of a large table is weeks of dead rows (https://www.postgresql.org/docs/current/runtime-config-autovacuum.html): these are
-- written all day, or lose their oldest rows every hour.
alter table events set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
alter table inbox set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
alter table alerts set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
alter table batches set (autovacuum_vacuum_scale_factor = 0.02);
alter table deliveries set (autovacuum_vacuum_scale_factor = 0.02);
alter table attempts set (autovacuum_vacuum_scale_factor = 0.02);
alter table audit_unsealed set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
alter table rates set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
