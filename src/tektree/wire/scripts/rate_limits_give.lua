-- Gives hits back that were counted a moment ago.
-- KEYS: the count and the log of a bucket. ARGV: how many hits, and the instant they were counted at.
local gone = redis.call('LREM', KEYS[2], -tonumber(ARGV[1]), ARGV[2])
if gone > 0 and redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('DECRBY', KEYS[1], gone)  -- the log may hold hits that a narrow window does not count
end
return gone
