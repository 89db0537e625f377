-- Lets a count and what belongs to it last longer.
-- KEYS: the count, and what belongs to it. ARGV: the milliseconds that they last at the least.
for _, key in ipairs(KEYS) do
  if redis.call('PTTL', key) < tonumber(ARGV[1]) then redis.call('PEXPIRE', key, ARGV[1]) end
end
