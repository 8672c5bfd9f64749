-- An alert of an open incident is given its incident at the door; those that wait from before get theirs here.

update alerts set incident = i.id from incidents i
  where alerts.current and alerts.incident is null and i.key = alerts.key and i.closed_at is null;
