-- The turns themselves, so that a budget holds in every stretch of its length and not only on the average. What was counted the
-- other way is given up: nobody could say when those turns were taken.
delete from rates;
alter table rates drop column next_at, add column turns timestamptz[] not null;
