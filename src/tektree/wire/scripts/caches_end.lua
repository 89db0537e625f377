-- Ends a load, and keeps what it gave if nothing was invalidated since it began.
-- KEYS: the record, and who is loading it. ARGV: the load's token, the text, and the milliseconds that it lasts (0: there
-- is nothing to keep).
-- Gives 1 when the text is what is cached now, 0 when the load had ended before.
if redis.pcall('GET', KEYS[2]) ~= ARGV[1] then
  if ARGV[3] ~= '0' and redis.pcall('GET', KEYS[1]) == ARGV[2] then return 1 end  -- as when the first reply was lost
  return 0
end
redis.call('DEL', KEYS[2])
if ARGV[3] ~= '0' then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1
