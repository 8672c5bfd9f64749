-- `privacy` was Slack's own field; now every integration has it, beside its channel's fields.
update integrations
   set settings = jsonb_build_object('privacy', config->'privacy') || settings, config = config - 'privacy', revision = revision + 1
 where type = 'slack' and config ? 'privacy';
