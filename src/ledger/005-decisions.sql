-- Alike events have alike decisions: each is kept once a day, and the events name it. `day` is what lets it go with its events.

create table decisions (id text primary key, day date not null, decision jsonb not null);
insert into decisions (id, day, decision)
  select distinct on (md5(decision::text)) md5(decision::text), accepted_at::date, decision from events order by md5(decision::text), accepted_at desc;
alter table events add column decided text;
update events set decided = md5(decision::text);
alter table events alter column decided set not null;
alter table events drop column decision;
alter table events rename column decided to decision;
