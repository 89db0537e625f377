-- Brings lines of a partition from one number to a later one, each if it still stands at the old one.
-- KEYS: a hash, by line "number" or "number:state"; a sorted set of events without a stream that took effect.
-- ARGV: now and until when such an event is kept, both in milliseconds; then of each line its kind ("s": of a stream,
-- "e": an event alone), the line, the old number (0: none), the new value.
-- Gives the places of those that stood at another number.
local lines, alone = KEYS[1], KEYS[2]
local now, kept = ARGV[1], ARGV[2]
local left = {}

redis.call('ZREMRANGEBYSCORE', alone, '-inf', now)
for at = 3, #ARGV, 4 do
  local kind, line, old, value = unpack(ARGV, at, at + 3)
  if kind == 'e' then
    if redis.call('ZADD', alone, 'NX', kept, line) == 0 then left[#left + 1] = (at - 3) / 4 end
  else
    local found = redis.call('HGET', lines, line)
    local number = found and string.match(found, '^%d+') or '0'
    if number == old then
      redis.call('HSET', lines, line, value)
    else
      left[#left + 1] = (at - 3) / 4
    end
  end
end
return left
