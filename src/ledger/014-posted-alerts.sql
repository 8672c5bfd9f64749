-- Alerts as they were posted to Alertmanager's API, one row for each label set: what that API shows, and what a repetition
-- is compared with. Times are milliseconds since 1970. `fingerprint` names the alert of the table alerts.
create table posted_alerts (
  key text primary key,
  fingerprint text not null,
  shown_as text not null,
  ends_at bigint not null,
  posted jsonb not null
);
create index posted_alerts_end on posted_alerts (ends_at);
