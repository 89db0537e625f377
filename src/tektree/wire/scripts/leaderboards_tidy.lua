-- Takes off a board what no row puts there, and sets right what is there with another score.
-- KEYS: the board, for readers; its order; its rows, as leaderboards_put has them. ARGV: "board" or "order", where the
-- members that follow were found.
-- Gives how many were taken off or set right.
local board, order, rows = KEYS[1], KEYS[2], KEYS[3]
local changed = 0

for at = 2, #ARGV do
  local member = ARGV[at]
  local uid = member
  if ARGV[1] == 'order' then uid = string.match(member, '^%x+(usr_[^ ]*) %d+$') or '' end
  local row = redis.call('HGET', rows, uid) or ''
  local score, reached, hidden = string.match(row, '^%-?%d+:(%-?%d+):(%x+):%d+:([01])$')
  local stands = hidden == '0' and tonumber(score) > 0
  if ARGV[1] == 'board' and stands then
    changed = changed + redis.call('ZADD', board, 'CH', score, uid)
  elseif ARGV[1] == 'board' then
    changed = changed + redis.call('ZREM', board, member)
  elseif stands and member == reached .. uid .. ' ' .. score then
    changed = changed + redis.call('ZADD', order, 'CH', '-' .. score, member)
  else
    changed = changed + redis.call('ZREM', order, member)
  end
end
return changed
