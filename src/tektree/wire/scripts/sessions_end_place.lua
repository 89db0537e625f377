-- Ends the session that has the place of one that was rotated away.
-- KEYS[1]: the user's hash. ARGV[1]: the id of the one that was rotated away. Gives the ids that were ended.
local key, ended = KEYS[1], {}
local place = string.match(redis.call('HGET', key, 'r:' .. ARGV[1]) or '', '^%d+')
if not place then return ended end
local all = redis.call('HGETALL', key)
for at = 1, #all, 2 do
  if string.match(all[at + 1], '^%d+') == place then
    local kind = string.sub(all[at], 1, 2)
    if kind == 's:' then ended[#ended + 1] = string.sub(all[at], 3) end
    if kind == 's:' or kind == 'r:' then redis.call('HDEL', key, all[at]) end
  end
end
return ended
