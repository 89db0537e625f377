-- Ends all sessions of a user but one, and raises the epoch, so that none joins that was on its way.
-- KEYS[1]: the user's hash. ARGV[1]: the id of the session that stays, or an empty text. Gives the ids that were ended.
local key, ended = KEYS[1], {}
for _, name in ipairs(redis.call('HKEYS', key)) do
  if string.sub(name, 1, 2) == 's:' and name ~= 's:' .. ARGV[1] then
    redis.call('HDEL', key, name)
    ended[#ended + 1] = string.sub(name, 3)
  end
end
redis.call('HINCRBY', key, 'epoch', 1)
if redis.call('TTL', key) < 86400 then redis.call('EXPIRE', key, 86400) end
return ended
