-- Who stands around a user.
-- KEYS: the order of a board, its rows. ARGV: the uid, and how many on either side.
-- Gives one text: how many stand before the first of them, then their members, which say their scores as well: Redis takes
-- as long for scores as for the rest. An empty one for who is not on the board.
local row = redis.call('HGET', KEYS[2], ARGV[1])
if not row then return '' end
local score, reached = string.match(row, '^%-?%d+:(%-?%d+):(%x+):')
local rank = redis.call('ZRANK', KEYS[1], reached .. ARGV[1] .. ' ' .. score)
if not rank then return '' end
local first = string.format('%d', math.max(0, rank - ARGV[2]))  -- a number would take Redis longer to write
local last = string.format('%d', rank + ARGV[2])
return first .. ' ' .. table.concat(redis.call('ZRANGE', KEYS[1], first, last), ' ')
