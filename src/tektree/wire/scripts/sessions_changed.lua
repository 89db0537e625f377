-- Raises the version of a user, also of one whose first session is only being opened.
-- KEYS[1]: the user's hash.
redis.call('HINCRBY', KEYS[1], 'version', 1)
if redis.call('TTL', KEYS[1]) < 86400 then redis.call('EXPIRE', KEYS[1], 86400) end
return 1
