-- What the door writes goes into as few indexes as can be (each costs it 3 % of a new alert): rows of an inbox are found by
-- their incident and their event once they have an incident, and events by time through their numbers (summaries.ts).
drop index inbox_incident;
create index inbox_incident on inbox (incident, seq) where incident is not null;
drop index inbox_event;
create index inbox_event on inbox (event) where incident is not null;
drop index events_accepted;
