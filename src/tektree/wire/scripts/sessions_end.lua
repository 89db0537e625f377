-- Ends a session, or the one that has the place of one that was rotated away; nothing is remembered of that place.
-- KEYS[1]: the user's hash. ARGV[1]: the session's id. Gives the ids that were ended.
local key, id, ended = KEYS[1], ARGV[1], {}
local value = redis.call('HGET', key, 's:' .. id) or redis.call('HGET', key, 'r:' .. id)
if not value then return ended end
local place = string.match(value, '^%d+')
local all = redis.call('HGETALL', key)
for at = 1, #all, 2 do
  local kind, other = string.sub(all[at], 1, 2), string.sub(all[at], 3)
  if (kind == 's:' or kind == 'r:') and (other == id or (place and string.match(all[at + 1], '^%d+') == place)) then
    redis.call('HDEL', key, all[at])
    if kind == 's:' then ended[#ended + 1] = other end
  end
end
return ended
