-- Alike events have alike decisions: each is kept once a day, and the events name it. `day` is what lets it go with its events.

create table decisions (id text primary key, day date not null, decision jsonb not null);
insert into decisions (id, day, decision)
  select distinct on (md5(decision::text)) md5(decision::text), accepted_at::date, decision from events order by md5(decision::text), accepted_at desc;
alter table events add column decided text;
update events set decided = md5(decision::text);
alter table events alter column decided set not null;
alter table events drop column decision;
alter table events rename column decided to decision;

-- Rows that are written again and again find room beside themselves, so that no index has to learn of it (heap-only tuples:
-- https://www.postgresql.org/docs/current/storage-hot.html).
alter table alerts set (fillfactor = 50);
alter table incidents set (fillfactor = 70);
alter table deliveries set (fillfactor = 70);
alter table attempts set (fillfactor = 80);
