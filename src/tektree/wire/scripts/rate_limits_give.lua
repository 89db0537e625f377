-- Gives hits back that were counted a moment ago.
-- KEYS: the count and the log of a bucket. ARGV: how many hits, and the instant they were counted at.
local gone = redis.call('LREM', KEYS[2], -tonumber(ARGV[1]), ARGV[2])
local rest = redis.call('PTTL', KEYS[1])
if gone > 0 and rest > 0 then
  redis.call('SET', KEYS[1], redis.call('LLEN', KEYS[2]), 'PX', rest)
end
return gone
