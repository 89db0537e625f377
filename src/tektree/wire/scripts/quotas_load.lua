-- Writes a count that comes from elsewhere. What was reserved is not known to it any more.
-- KEYS: the count, its sorted set of reservations. ARGV: what is used, the milliseconds that the count lasts at the
-- least, and 1 where it is written over what is there.
-- Gives the text of the count.
local there = redis.call('GET', KEYS[1])
if there and ARGV[3] == '0' then return there end
redis.call('SET', KEYS[1], ARGV[1], 'PX', math.max(tonumber(ARGV[2]), redis.call('PTTL', KEYS[1])))
redis.call('DEL', KEYS[2])
return ARGV[1]
