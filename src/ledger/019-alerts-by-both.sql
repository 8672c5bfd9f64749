-- Two indexes as before, but neither is a bad choice where an alert is looked for by both of its names: of a key there are thousands
-- of alerts, of a fingerprint hardly ever more than one, and a plan that is made while there are few takes either.
drop index alerts_current;
drop index alerts_of_key;
create unique index alerts_current on alerts (key, fingerprint) where current;
create index alerts_by_fingerprint on alerts (fingerprint) where current;
